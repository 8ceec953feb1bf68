"""From a config to the functions of a run: draw, initialise, train, evaluate. No files here."""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key, PyTree

from icl.config import EvaluationConfig, ExperimentConfig
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
from icl.data.families.base import Family
from icl.data.families.make import make_families
from icl.data.knobs import make_knobs
from icl.data.sources.on_device import (
    check_exemplars,
    example_items,
    exemplars_in_use,
    put_on_device,
)
from icl.evaluation.conditions import make_conditions
from icl.evaluation.scores import evaluate
from icl.files import keep_compiled_programs
from icl.models.matrices import Matrices, matrices
from icl.models.network import Network, make_network
from icl.probes.sequence_measures import NUM_SEQUENCES, measure_sequences
from icl.problems.base import (
    Inputs,
    Program,
    checked,
    compile_quickly,
    inputs_with,
    make_init,
    make_train,
)
from icl.training.losses import sequence_loss
from icl.training.step import TrainState
from icl.types import ExemplarBank, ExemplarMaker, Exemplars, IndexSequence, Knobs, Sequence

Draw = Callable[..., tuple[IndexSequence, Sequence]]
MEASURES = 2**31  # folded into the evaluation's key, where each step's number is: above them all


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
    draw: Draw


@dataclass(frozen=True)
class Experiment:
    """A run's functions, compiled on first use.

    shapes: the shapes and types of the state.
    families: by name: those trained on, and `train`, their mixture.
    conditions: by name: those the network is tested on.
    init: () -> the state before the first step.
    train: (state, step) -> the state after that many steps in all; gives up the state given.
    evaluate: state -> {condition: {metric: value}}, see `icl.evaluation.scores.evaluate`.
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


def make_inputs(config: ExperimentConfig, exemplars: Exemplars) -> Inputs:
    """The traced part of an experiment."""
    data = config.data
    knobs = make_knobs(data, exemplars.num_classes, exemplars_in_use(data, exemplars))
    return inputs_with(config, knobs, data.num_sequences)


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
    exemplars = put_on_device(config.data, loaded)
    check_exemplars(config.data, config.evaluation, exemplars)
    network = _make_network(config, exemplars)
    families = make_families(config.data)
    conditions = make_conditions(config.data, config.evaluation)

    def batch(key: Array, step: Array, inputs: Inputs, arrays: PyTree) -> Sequence:
        size, family = config.training.batch_size, families["train"]
        return draw_training_batch(key, step, size, family, inputs, exemplars, arrays)

    def draw(
        key: Array, batch_size: int, family: Family, knobs: Knobs, arrays: PyTree
    ) -> tuple[IndexSequence, Sequence]:
        return draw_batch(key, batch_size, family, knobs, exemplars, arrays)

    fused, connectivity = network.fused, config.connectivity
    init = make_init(network.init, fused, connectivity)
    shapes = jax.eval_shape(init, make_inputs(config, exemplars))
    return SequenceProgram(
        config=config,
        arrays=exemplars.arrays,
        shapes=shapes,
        init=compile_quickly(init),
        train=make_train(batch, partial(sequence_loss, network.apply), fused, connectivity),
        evaluate=_make_evaluation(config.evaluation, network, conditions, draw, init),
        inputs=checked(lambda config: make_inputs(config, exemplars), shapes, fused),
        matrices=lambda state: matrices(state.variables.params, fused),
        exemplars=exemplars,
        network=network,
        families=families,
        conditions=conditions,
        draw=jax.jit(draw, static_argnums=(1, 2)),
    )


def _make_network(config: ExperimentConfig, exemplars: Exemplars) -> Network:
    data = config.data
    examples = example_items(data, exemplars)
    return make_network(config.model, data.num_labels, examples, exemplars.num_classes)


def _make_evaluation(
    config: EvaluationConfig,
    network: Network,
    conditions: dict[str, Family],
    draw: Draw,
    init: Callable[[Inputs], TrainState],
) -> Callable[..., dict[str, Any]]:
    """The evaluation of a program, jitted: scores and, where they are asked for, measures."""

    def measured(
        state: TrainState, inputs: Inputs, arrays: PyTree
    ) -> Iterator[tuple[str, dict[str, Array]]]:
        initial = init(inputs).variables
        key = jax.random.fold_in(inputs.eval_key, MEASURES)
        for name, family in conditions.items():
            # The same throughout a run: also where labels drift, those of its start.
            own_key = jax.random.fold_in(key, zlib.crc32(name.encode()))
            _, sequences = draw(own_key, NUM_SEQUENCES, family, inputs.knobs, arrays)
            yield name, measure_sequences(network.apply, state.variables, initial, sequences)

    def evaluate_all(state: TrainState, inputs: Inputs, arrays: PyTree) -> dict[str, Any]:
        knobs = at_step(inputs.knobs, state.step)
        scores = {
            name: evaluate(
                jax.random.fold_in(inputs.eval_key, state.step),
                name,
                config.num_sequences,
                partial(draw, family=family, knobs=knobs, arrays=arrays),
                lambda sequence: network.apply(state.variables, sequence)[0],
                knobs,
            )
            for name, family in conditions.items()
        }
        if config.measures:
            for name, measures in measured(state, inputs, arrays):
                scores[name] |= measures
        return scores

    return jax.jit(evaluate_all)


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
