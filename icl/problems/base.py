"""What a run is about, as one protocol, and the compiled functions that are made of it.

`Problem` is what differs between kinds of runs: what is drawn, learned, scored and shown.
`make_program` makes of any problem the functions that all runs of one compilation share.
No files here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key, PyTree

from icl.config import AnyConfig
from icl.models.initial.connectivity import check, connect, constrain, make_numbers
from icl.models.initial.initializers import Numbers
from icl.models.matrices import Fused, Matrices, matrices
from icl.problems.streams import connectivity_key, make_streams
from icl.training.losses import Loss
from icl.training.optimizer import Rates, make_rates
from icl.training.step import TrainState, Update, init_state, train_until
from icl.types import Shown, Variables


class Inputs(NamedTuple):
    """All that differs between runs which share one compiled program.

    knobs: the problem's own numbers: `icl.types.Knobs` of sequences, `TaskKnobs` of a task.
    num_sequences: of a finite data set; None: without end.
    """

    init_key: Key[Array, ""]
    train_key: Key[Array, ""]
    eval_key: Key[Array, ""]
    rates: Rates
    connectivity: dict[str, Numbers]
    knobs: Any
    num_sequences: Int[Array, ""] | None


class Cost(NamedTuple):
    """What a training step takes.

    flops: operations of a step. memory: bytes beside the training state.
    """

    flops: float
    memory: float


@runtime_checkable
class Problem(Protocol):
    """What a run is about. `icl.problems.load` finds the problem of a config by `config.problem`.

    A problem is static: whatever a run may vary without changing a shape comes with `inputs`, and
    what is read on the device with `arrays`.

    config: of one of the runs that share a program.
    arrays: what is read on the device, an argument of compiled programs and never a constant.
    fused: the network's matrices that share one array, see `icl.models.matrices`.
    """

    @property
    def config(self) -> Any: ...
    @property
    def arrays(self) -> PyTree: ...
    @property
    def fused(self) -> Fused: ...

    def inputs(self, config: Any) -> Inputs:
        """What makes a run of this program its own; see `make_inputs`."""
        ...

    def draw_network(self, key: Key[Array, ""]) -> Variables:
        """The network's own initial numbers."""
        ...

    def draw_batch(
        self, key: Key[Array, ""], step: Int[Array, ""], inputs: Inputs, arrays: PyTree
    ) -> Any:
        """What the network is trained on at a step. key: the step's own."""
        ...

    def make_loss(self, rates: Rates) -> Loss:
        """(variables, batch) to the loss in nats and the state of the network after it."""
        ...

    def evaluate(
        self,
        state: TrainState,
        initial: Callable[[], Variables],
        inputs: Inputs,
        arrays: PyTree,
    ) -> dict[str, dict[str, Array]]:
        """Scores and measures by condition. initial: the network at its start, for probes."""
        ...

    def shown(self, config: Any, inputs: Inputs) -> Shown:
        """What the network of a run is shown, for a picture."""
        ...

    def cost(self, program: "Program") -> Cost:
        """What a training step takes."""
        ...


@dataclass(frozen=True, eq=False, kw_only=True)
class Program:
    """The functions of all runs that share one compilation, see `icl.config.traced`.

    shapes: the shapes and types of a run's state.
    init, train, evaluate: pure, and functions of inputs and arrays too: (inputs) to a state,
        (state, stop, inputs, arrays) to a state, (state, inputs, arrays) to scores by condition.
        `train` gives up the state that it is given. It has two options: `start`, see
        `icl.training.step.train_until`, and `spread`, which says where a batch is computed.
    inputs: a config to what makes a run of this program its own. Raises UserError for initial
        connectivity that cannot be.
    matrices: a state's weight matrices by name, see `icl.models.matrices`.
    """

    problem: Any
    shapes: TrainState
    init: Callable[[Inputs], TrainState]
    train: Callable[..., TrainState]
    evaluate: Callable[..., dict[str, Any]]
    inputs: Callable[[Any], Inputs]
    matrices: Callable[[TrainState], Matrices]

    @property
    def config(self) -> AnyConfig:
        """The config of one of the runs."""
        return self.problem.config

    @property
    def arrays(self) -> PyTree:
        """What is read on the device."""
        return self.problem.arrays

    @property
    def num_parameters(self) -> int:
        """Trained numbers of the network."""
        return sum(leaf.size for leaf in jax.tree.leaves(self.shapes.variables.params))


def make_inputs(config: AnyConfig, knobs: Any, num_sequences: int | None = None) -> Inputs:
    """The traced part of a run with these knobs."""
    streams = make_streams(config.seed)
    return Inputs(
        streams.init,
        streams.train,
        streams.eval,
        make_rates(config.training),
        make_numbers(config.connectivity),
        knobs,
        None if num_sequences is None else jnp.int32(num_sequences),
    )


def make_program(problem: Problem) -> Program:
    """The functions of the runs of a problem."""
    fused, connectivity = problem.fused, problem.config.connectivity

    def init(inputs: Inputs) -> TrainState:
        variables = problem.draw_network(inputs.init_key)
        key = connectivity_key(inputs.init_key)
        params = connect(key, variables.params, fused, connectivity, inputs.connectivity)
        return init_state(variables._replace(params=params), inputs.rates)

    def train(
        state: TrainState,
        stop: Array,
        inputs: Inputs,
        arrays: PyTree,
        start: Array | None = None,
        spread: Callable[[Any], Any] = lambda drawn: drawn,
    ) -> TrainState:
        update = Update(
            batch=lambda key, step: spread(problem.draw_batch(key, step, inputs, arrays)),
            loss=problem.make_loss(inputs.rates),
            rates=inputs.rates,
            constrain=lambda params: constrain(params, fused, connectivity, inputs.connectivity),
        )
        return train_until(state, stop, inputs.train_key, update, start)

    def evaluate(state: TrainState, inputs: Inputs, arrays: PyTree) -> dict[str, Any]:
        return problem.evaluate(state, lambda: init(inputs).variables, inputs, arrays)

    shapes = jax.eval_shape(init, problem.inputs(problem.config))

    def inputs_of(config: Any) -> Inputs:
        inputs = problem.inputs(config)
        check(config.connectivity, inputs.connectivity, shapes.variables.params, fused)
        return inputs

    return Program(
        problem=problem,
        shapes=shapes,
        init=_compile_quickly(init),
        train=jax.jit(train, donate_argnums=0, static_argnames="spread"),
        evaluate=jax.jit(evaluate),
        inputs=inputs_of,
        matrices=lambda state: matrices(state.variables.params, fused),
    )


def _compile_quickly(init: Callable[[Inputs], TrainState]) -> Callable[[Inputs], TrainState]:
    """What runs once: compiling it well would take longer than it could save."""
    return jax.jit(init, compiler_options={"xla_backend_optimization_level": 0})


@dataclass(frozen=True)
class BoundProgram:
    """A program with the inputs of one run filled in."""

    program: Program
    inputs: Inputs

    def init(self) -> TrainState:
        """The state before the first step."""
        return self.program.init(self.inputs)

    def train(self, state: TrainState, stop: int) -> TrainState:
        """The state after `stop` steps in all; gives up the state given."""
        return self.program.train(state, jnp.int32(stop), self.inputs, self.program.arrays)

    def evaluate(self, state: TrainState) -> dict[str, Any]:
        """Scores by condition, then by metric."""
        return self.program.evaluate(state, self.inputs, self.program.arrays)


def bind(program: Program, config: AnyConfig) -> BoundProgram:
    """One of the runs of a program. Raises UserError for connectivity that cannot be."""
    return BoundProgram(program, program.inputs(config))
