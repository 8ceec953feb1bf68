"""The protocol of a problem, what a run is about, and the compiled functions made from it.

`Problem` holds what differs between kinds of runs: data, loss, evaluation, pictures and cost.
`make_program` makes the functions that all runs of one compilation share from any problem.
This module reads and writes no files.
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
from icl.problems.own_settings import WithOwnSettings, own_settings
from icl.problems.streams import connectivity_key, make_streams
from icl.training.losses import Loss
from icl.training.optimizer import Rates, make_rates
from icl.training.step import TrainState, Update, init_state, train_until
from icl.types import Aux, Masked, Shown, Variables, with_nan


class Inputs(NamedTuple):
    """All that differs between runs that share one compiled program.

    knobs: numbers of the problem: `icl.types.Knobs` for sequences, `TaskKnobs` for a task.
    num_sequences: size of a finite data set; None: fresh sequences without end.
    """

    init_key: Key[Array, ""]
    train_key: Key[Array, ""]
    eval_key: Key[Array, ""]
    rates: Rates
    connectivity: dict[str, Numbers]
    knobs: Any
    num_sequences: Int[Array, ""] | None


class Cost(NamedTuple):
    """Cost of a training step.

    flops: floating-point operations of a step.
    memory: bytes on top of the training state.
    """

    flops: float
    memory: float


@runtime_checkable
class Problem(Protocol):
    """A problem: what a run trains on. `icl.problems.load` finds it by `config.problem`.

    A problem is static: `inputs` holds whatever a run may vary without changing a shape, `arrays`
    the data on the device.

    config: config of one of the runs that share a program.
    arrays: data on the device, an argument of compiled programs and never a constant.
    fused: matrices of the network that share one array, see `icl.models.matrices`.
    """

    @property
    def config(self) -> Any: ...
    @property
    def arrays(self) -> PyTree: ...
    @property
    def fused(self) -> Fused: ...

    def inputs(self, config: Any) -> Inputs:
        """Inputs of one run of this program; see `make_inputs`."""
        ...

    def draw_network(self, key: Key[Array, ""]) -> Variables:
        """Draw the network's initial variables, before initial connectivity."""
        ...

    def draw_batch(
        self, key: Key[Array, ""], step: Int[Array, ""], inputs: Inputs, arrays: PyTree
    ) -> Any:
        """Draw the training batch of a step. key: key of the step."""
        ...

    def make_loss(self, rates: Rates) -> Loss:
        """Make (variables, batch) -> the loss in nats and the network's state after it."""
        ...

    def evaluate(
        self,
        state: TrainState,
        initial: Callable[[], Variables],
        inputs: Inputs,
        arrays: PyTree,
    ) -> dict[str, dict[str, Array | Masked]]:
        """Scores and measures by condition: all names in `config.evaluation.conditions`.

        Each condition has `loss`, in nats, and `accuracy`, each with its `_stderr`, and
        `accuracy_chance`; summaries, curves and progress read these. If `config.has_context`, it
        also has `accuracy_in_context` with its `_stderr` and `_chance`. More scores are recorded
        as they are, and what has axes is listed in `icl.config.probes`. Scores that may be
        undefined are `Masked`.

        initial: makes the initial network, for probes.
        """
        ...

    def tested_as(self, config: Any) -> "Problem":
        """The same data and network, tested as `config.evaluation` says."""
        ...

    def draw_condition(
        self, name: str, key: Key[Array, ""], count: int, inputs: Inputs, step: Int[Array, ""]
    ) -> Any:
        """Draw inputs of a condition as at a step: a `Batch`, or `Trials`.

        name: `train`, or a name that `config.evaluation.conditions` may have.
        """
        ...

    def as_inputs(self, given: Any) -> Any:
        """Check and convert inputs that a user gives. Raises UserError where they do not fit."""
        ...

    def apply(self, variables: Variables, given: Any, query_only: bool = True) -> tuple[Array, Aux]:
        """Logits and intermediates for the inputs that `draw_condition` draws.

        query_only: logits of the last position alone; otherwise of all.
        """
        ...

    def shown(self, config: Any, inputs: Inputs) -> Shown:
        """Examples of the inputs of a run, for a picture."""
        ...

    def cost(self, program: "Program") -> Cost:
        """Cost of a training step."""
        ...


@dataclass(frozen=True, eq=False, kw_only=True)
class Program:
    """Functions of all runs that share one compilation, see `icl.config.traced`.

    shapes: shapes and types of a run's state.
    init, train, evaluate: pure functions: (inputs) -> state, (state, stop, inputs, arrays) ->
        state, (state, inputs, arrays) -> scores by condition. `train` donates its state. It has
        two options: `start`, see `icl.training.step.train_until`, and `shard_batch`, a
        function of a batch that sets where it is computed.
    inputs: config -> inputs of a run of this program. Raises UserError for impossible initial
        connectivity.
    matrices: state -> weight matrices by name, see `icl.models.matrices`.
    """

    problem: Problem
    shapes: TrainState
    init: Callable[[Inputs], TrainState]
    train: Callable[..., TrainState]
    evaluate: Callable[..., dict[str, Any]]
    inputs: Callable[[Any], Inputs]
    matrices: Callable[[TrainState], Matrices]

    @property
    def config(self) -> AnyConfig:
        """Config of one of the runs."""
        return self.problem.config

    @property
    def arrays(self) -> PyTree:
        """Data on the device."""
        return self.problem.arrays

    @property
    def num_parameters(self) -> int:
        """Number of trained parameters of the network."""
        return sum(leaf.size for leaf in jax.tree.leaves(self.shapes.variables.params))


def make_inputs(config: AnyConfig, knobs: Any, num_sequences: int | None = None) -> Inputs:
    """Make the inputs of a run with these knobs."""
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


@own_settings()
def make_program(problem: Problem) -> Program:
    """Make the functions of the runs of a problem; they compute under `own_settings`."""
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
        shard_batch: Callable[[Any], Any] = lambda drawn: drawn,
    ) -> TrainState:
        update = Update(
            batch=lambda key, step: shard_batch(problem.draw_batch(key, step, inputs, arrays)),
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
        init=WithOwnSettings(_compile_quickly(init)),
        train=WithOwnSettings(jax.jit(train, donate_argnums=0, static_argnames="shard_batch")),
        evaluate=WithOwnSettings(jax.jit(evaluate)),
        inputs=own_settings()(inputs_of),
        matrices=own_settings()(lambda state: matrices(state.variables.params, fused)),
    )


def _compile_quickly(init: Callable[[Inputs], TrainState]) -> Callable[[Inputs], TrainState]:
    """Jit a function that runs once: optimising it would take longer than it could save."""
    return jax.jit(init, compiler_options={"xla_backend_optimization_level": 0})


@dataclass(frozen=True)
class BoundProgram:
    """A program with the inputs of one run filled in."""

    program: Program
    inputs: Inputs

    def init(self) -> TrainState:
        """State before the first step."""
        return self.program.init(self.inputs)

    def train(self, state: TrainState, stop: int) -> TrainState:
        """State after `stop` steps in all; donates the given state."""
        return self.program.train(state, jnp.int32(stop), self.inputs, self.program.arrays)

    def evaluate(self, state: TrainState) -> dict[str, Any]:
        """Scores by condition, then by metric; NaN where undefined."""
        scores = self.program.evaluate(state, self.inputs, self.program.arrays)
        return with_nan(scores)


def bind(program: Program, config: AnyConfig) -> BoundProgram:
    """Bind a program to the config of one run. Raises UserError for impossible connectivity."""
    return BoundProgram(program, program.inputs(config))
