"""What all runs have in common, whatever they are trained on: what makes one its own, and how its
functions are made of a network, a batch and a loss. No files here."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key, PyTree

from icl.config import AnyConfig
from icl.config.connectivity import Connectivity
from icl.models.initial.connectivity import check, connect, constrain, make_numbers
from icl.models.initial.initializers import Numbers
from icl.models.matrices import Fused, Matrices
from icl.training.losses import Loss
from icl.training.optimizer import Rates, make_rates
from icl.training.step import TrainState, init_state, train_until
from icl.types import Variables

CONNECTIVITY = 1  # folded into the key of the network's own initial weights


class Inputs(NamedTuple):
    """All that differs between runs which share one compiled program.

    knobs: `icl.types.Knobs` of sequences, `TaskKnobs` of a task.
    num_sequences: of a finite data set; None: without end.
    """

    init_key: Key[Array, ""]
    train_key: Key[Array, ""]
    eval_key: Key[Array, ""]
    rates: Rates
    connectivity: dict[str, Numbers]
    knobs: Any
    num_sequences: Int[Array, ""] | None


@dataclass(frozen=True, eq=False, kw_only=True)
class Program:
    """The functions of all runs that share one compiled program, see `icl.config.traced`.

    config: of one of these runs.
    arrays: what is read on the device: exemplars, or images of a task.
    shapes: the shapes and types of a run's state.
    init, train, evaluate: pure, and functions of inputs and arrays too: (inputs) to a state,
        (state, stop, inputs, arrays) to a state, (state, inputs, arrays) to scores by condition.
        `train` has two options: `start`, see `icl.training.step.train_until`, and `spread`, which
        says where a batch is computed.
    inputs: a config to what makes a run of this program its own. Raises UserError for initial
        connectivity that cannot be.
    matrices: a state's weight matrices by name, see `icl.models.matrices`.
    """

    config: AnyConfig
    arrays: PyTree
    shapes: TrainState
    init: Callable[[Inputs], TrainState]
    train: Callable[..., TrainState]
    evaluate: Callable[..., dict[str, Any]]
    inputs: Callable[[Any], Inputs]
    matrices: Callable[[TrainState], Matrices]

    @property
    def num_parameters(self) -> int:
        """Of the network: those that are trained."""
        return sum(leaf.size for leaf in jax.tree.leaves(self.shapes.variables.params))


def inputs_with(config: AnyConfig, knobs: Any, num_sequences: int | None = None) -> Inputs:
    """The traced part of a run, whose knobs are these."""
    # Named, or JAX's default, which users may set, would make it another run.
    key = jax.random.key(config.seed, impl="threefry2x32")
    init_key, train_key, eval_key = jax.random.split(key, 3)
    return Inputs(
        init_key,
        train_key,
        eval_key,
        make_rates(config.training),
        make_numbers(config.connectivity),
        knobs,
        None if num_sequences is None else jnp.int32(num_sequences),
    )


def make_init(
    draw: Callable[[Key[Array, ""]], Variables], fused: Fused, connectivity: dict[str, Connectivity]
) -> Callable[[Inputs], TrainState]:
    """Inputs to the state before the first step.

    draw: a key to a network's numbers. fused: its matrices that share one array.
    """

    def init(inputs: Inputs) -> TrainState:
        variables = draw(inputs.init_key)
        key = jax.random.fold_in(inputs.init_key, CONNECTIVITY)
        params = connect(key, variables.params, fused, connectivity, inputs.connectivity)
        return init_state(variables._replace(params=params), inputs.rates)

    return init


def make_train(
    batch: Callable[[Key[Array, ""], Int[Array, ""], Inputs, PyTree], Any],
    loss_with: Callable[[Rates], Loss],
    fused: Fused,
    connectivity: dict[str, Connectivity],
) -> Callable[..., TrainState]:
    """The training of a `Program`, jitted; it gives up the state that it is given.

    batch: (key, step, inputs, arrays) to what the network is trained on at a step; the key is the
        step's own.
    fused: matrices of the network that share one array.
    """

    def train(
        state: TrainState,
        stop: Array,
        inputs: Inputs,
        arrays: PyTree,
        start: Array | None = None,
        spread: Callable[[Any], Any] = lambda drawn: drawn,
    ) -> TrainState:
        kept = partial(
            constrain, fused=fused, connectivity=connectivity, numbers=inputs.connectivity
        )
        return train_until(
            state,
            stop,
            inputs.train_key,
            lambda key, step: spread(batch(key, step, inputs, arrays)),
            loss_with(inputs.rates),
            inputs.rates,
            start,
            kept,
        )

    return jax.jit(train, donate_argnums=0, static_argnames="spread")


def checked(
    make_inputs: Callable[[Any], Inputs], shapes: TrainState, fused: Fused
) -> Callable[[Any], Inputs]:
    """The `inputs` of a program: those of a config, whose initial connectivity has to suit it."""

    def inputs_of(config: Any) -> Inputs:
        inputs = make_inputs(config)
        check(config.connectivity, inputs.connectivity, shapes.variables.params, fused)
        return inputs

    return inputs_of


def compile_quickly(init: Callable[[Inputs], TrainState]) -> Callable[[Inputs], TrainState]:
    """What runs once: compiling it well would take longer than it could save."""
    return jax.jit(init, compiler_options={"xla_backend_optimization_level": 0})
