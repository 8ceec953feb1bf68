"""From a config to the functions of a run: draw, initialise, train, evaluate. No files here."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key, PyTree

from icl.config import AnyConfig, ExperimentConfig, TrainingConfig
from icl.data.batches import (
    at_step,
    choose,
    draw_indices,
    draw_numbered,
    in_block,
    keys_of,
    look_up,
    split_each,
)
from icl.data.exemplars.on_device import (
    check_exemplars,
    example_items,
    exemplars_in_use,
    put_on_device,
)
from icl.data.families import make_families, make_knobs
from icl.data.sequences import Family
from icl.environment import keep_compiled_programs
from icl.evaluation import evaluate, make_conditions
from icl.models import Network, make_network
from icl.models.connectivity import check, connect, constrain, make_numbers
from icl.models.laws import Numbers
from icl.models.matrices import Matrices, matrices
from icl.probes.sequence_measures import NUM_SEQUENCES, measure_sequences
from icl.training import Rates, TrainState, init_state, sequence_loss, train_until
from icl.types import (
    ExemplarBank,
    ExemplarMaker,
    Exemplars,
    IndexSequence,
    Knobs,
    Sequence,
)

CONNECTIVITY = 1  # folded into the key of the network's own initial weights
MEASURES = 2**31  # folded into the evaluation's key, where each step's number is: above them all


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
        `train` has two options: `start`, see `icl.training.train_until`, and `spread`, which says
        where a batch is computed.
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


@dataclass(frozen=True, eq=False, kw_only=True)
class SequenceProgram(Program):
    """A program of runs on sequences.

    draw: (key, batch size, family, knobs, arrays) to sequences.
    """

    config: ExperimentConfig
    exemplars: Exemplars
    network: Network
    families: dict[str, Family]
    conditions: dict[str, Family]
    draw: Callable[..., tuple[IndexSequence, Sequence]]


@dataclass(frozen=True)
class Experiment:
    """A run's functions, compiled on first use.

    shapes: the shapes and types of the state.
    families: by name: those trained on, and `train`, their mixture.
    conditions: by name: those the network is tested on.
    init: () -> the state before the first step.
    train: (state, step) -> the state after that many steps in all; gives up the state given.
    evaluate: state -> {condition: {metric: value}}, the metrics of `icl.evaluation.evaluate`.
    draw: (key, batch size, family) -> sequences, as integers and as the network sees them, as
        they are before the first step.
    matrices: state -> its weight matrices by name, see `icl.models.matrices`.
    """

    config: ExperimentConfig
    shapes: TrainState
    families: dict[str, Family]
    conditions: dict[str, Family]
    init: Callable[[], TrainState]
    train: Callable[[TrainState, int], TrainState]
    evaluate: Callable[[TrainState], dict[str, dict[str, Array]]]
    draw: Callable[[Key[Array, ""], int, Family], tuple[IndexSequence, Sequence]]
    matrices: Callable[[TrainState], Matrices]
    num_parameters: int


def make_rates(training: TrainingConfig) -> Rates:
    """The traced part of the optimiser."""
    clip_norm = jnp.inf if training.clip_norm is None else training.clip_norm
    return Rates(
        learning_rate=jnp.float32(training.learning_rate),
        warmup_steps=jnp.float32(training.warmup_steps),
        weight_decay=jnp.float32(training.weight_decay),
        clip_norm=jnp.float32(clip_norm),
        adam_b1=jnp.float32(training.adam_b1),
        adam_b2=jnp.float32(training.adam_b2),
        weight_decay_of={
            glob: jnp.float32(value) for glob, value in training.weight_decay_of.items()
        },
        momentum=jnp.float32(training.momentum) if training.optimizer == "sgd" else None,
        interim_weight=jnp.float32(training.interim_weight) if training.interim_weight else None,
        is_constant=jnp.bool_(training.decay == "none"),
    )


def make_inputs(config: ExperimentConfig, exemplars: Exemplars) -> Inputs:
    """The traced part of an experiment."""
    init_key, train_key, eval_key = jax.random.split(jax.random.key(config.seed), 3)
    data = config.data
    return Inputs(
        init_key,
        train_key,
        eval_key,
        make_rates(config.training),
        make_numbers(config.connectivity),
        make_knobs(data, exemplars.num_classes, exemplars_in_use(data, exemplars)),
        None if data.num_sequences is None else jnp.int32(data.num_sequences),
    )


def draw_batch(
    key: Key[Array, ""],
    batch_size: int,
    family: Family,
    knobs: Knobs,
    exemplars: Exemplars,
    arrays: PyTree,
) -> tuple[IndexSequence, Sequence]:
    """Fresh sequences, as integers and as the network sees them."""
    index_key, item_key = jax.random.split(key)
    indices = draw_indices(index_key, family, knobs, batch_size)
    return indices, look_up(item_key, indices, exemplars, arrays, knobs)


def draw_training_batch(
    key: Key[Array, ""],
    step: Int[Array, ""],
    batch_size: int,
    family: Family,
    inputs: Inputs,
    exemplars: Exemplars,
    arrays: PyTree,
) -> Sequence:
    """What the network is trained on at a step: fresh sequences, or some of a finite data set.

    key: of the step.
    """
    knobs = in_block(at_step(inputs.knobs, step))
    if inputs.num_sequences is None:
        return draw_batch(key, batch_size, family, knobs, exemplars, arrays)[1]
    keys = keys_of(inputs.train_key, choose(key, inputs.num_sequences, batch_size))
    index_keys, item_keys = split_each(keys, 2)
    indices = draw_numbered(index_keys, family, knobs)
    return look_up(item_keys, indices, exemplars, arrays, knobs)


def make_program(config: ExperimentConfig, loaded: ExemplarBank | ExemplarMaker) -> SequenceProgram:
    """Put the exemplars on the device and build the functions of a run and of those like it.

    loaded: what the source of `config.data` gives.
    """
    keep_compiled_programs()
    data = config.data
    exemplars = put_on_device(data, loaded)
    check_exemplars(data, config.evaluation, exemplars)
    network = make_network(
        config.model, data.num_labels, example_items(data, exemplars), exemplars.num_classes
    )
    families = make_families(data)
    conditions = make_conditions(data, config.evaluation)

    def init(inputs: Inputs) -> TrainState:
        variables = network.init(inputs.init_key)
        key = jax.random.fold_in(inputs.init_key, CONNECTIVITY)
        params = connect(
            key, variables.params, network.fused, config.connectivity, inputs.connectivity
        )
        return init_state(variables._replace(params=params), inputs.rates)

    def train(
        state: TrainState,
        stop: Array,
        inputs: Inputs,
        arrays: PyTree,
        start: Array | None = None,
        spread: Callable[[Sequence], Sequence] = lambda sequence: sequence,
    ) -> TrainState:
        def batch(key: Array, step: Array) -> Sequence:
            size, family = config.training.batch_size, families["train"]
            return spread(draw_training_batch(key, step, size, family, inputs, exemplars, arrays))

        loss = sequence_loss(network.apply, inputs.rates)
        kept = partial(
            constrain,
            fused=network.fused,
            connectivity=config.connectivity,
            numbers=inputs.connectivity,
        )
        return train_until(state, stop, inputs.train_key, batch, loss, inputs.rates, start, kept)

    def evaluate_all(state: TrainState, inputs: Inputs, arrays: PyTree) -> dict[str, Any]:
        knobs = at_step(inputs.knobs, state.step)
        scores = {
            name: evaluate(
                jax.random.fold_in(inputs.eval_key, state.step),
                name,
                config.evaluation.num_sequences,
                partial(draw_batch, family=family, knobs=knobs, exemplars=exemplars, arrays=arrays),
                lambda sequence: network.apply(state.variables, sequence)[0],
                knobs,
            )
            for name, family in conditions.items()
        }
        if not config.evaluation.measures:
            return scores
        initial = init(inputs).variables
        key = jax.random.fold_in(inputs.eval_key, MEASURES)
        for name, family in conditions.items():
            # The same throughout a run: also where labels drift, those of its start.
            own_key = jax.random.fold_in(key, zlib.crc32(name.encode()))
            _, sequences = draw_batch(
                own_key, NUM_SEQUENCES, family, inputs.knobs, exemplars, arrays
            )
            scores[name] |= measure_sequences(network.apply, state.variables, initial, sequences)
        return scores

    def draw(
        key: Array, batch_size: int, family: Family, knobs: Knobs, arrays: PyTree
    ) -> tuple[IndexSequence, Sequence]:
        return draw_batch(key, batch_size, family, knobs, exemplars, arrays)

    shapes = jax.eval_shape(init, make_inputs(config, exemplars))

    def inputs_of(config: ExperimentConfig) -> Inputs:
        inputs = make_inputs(config, exemplars)
        params = shapes.variables.params
        check(config.connectivity, inputs.connectivity, params, network.fused)
        return inputs

    return SequenceProgram(
        config=config,
        arrays=exemplars.arrays,
        shapes=shapes,
        init=compile_quickly(init),
        train=jax.jit(train, donate_argnums=0, static_argnames="spread"),
        evaluate=jax.jit(evaluate_all),
        inputs=inputs_of,
        matrices=lambda state: matrices(state.variables.params, network.fused),
        exemplars=exemplars,
        network=network,
        families=families,
        conditions=conditions,
        draw=jax.jit(draw, static_argnums=(1, 2)),
    )


def compile_quickly(init: Callable[[Inputs], TrainState]) -> Callable[[Inputs], TrainState]:
    """What runs once: compiling it well would take longer than it could save."""
    return jax.jit(init, compiler_options={"xla_backend_optimization_level": 0})


def make_experiment(config: ExperimentConfig, loaded: ExemplarBank | ExemplarMaker) -> Experiment:
    """A program, and one run of it."""
    return bind(make_program(config, loaded), config)


def bind(program: SequenceProgram, config: ExperimentConfig) -> Experiment:
    """One of the runs of a program."""
    inputs, arrays = program.inputs(config), program.arrays
    return Experiment(
        config=config,
        shapes=program.shapes,
        families=program.families,
        conditions=program.conditions,
        init=lambda: program.init(inputs),
        train=lambda state, stop: program.train(state, jnp.int32(stop), inputs, arrays),
        evaluate=lambda state: program.evaluate(state, inputs, arrays),
        draw=lambda key, size, family: program.draw(key, size, family, inputs.knobs, arrays),
        matrices=program.matrices,
        num_parameters=program.num_parameters,
    )
