"""From a config to the functions of a run: draw, initialise, train, evaluate. No files here."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from icl.config import DataConfig, ExperimentConfig, TrainingConfig
from icl.data.distribution import class_thresholds
from icl.data.exemplars import shuffle_classes
from icl.data.sequences import Bursty, Family, Independent, Mixture, draw_indices, look_up
from icl.evaluation import CONDITIONS, evaluate
from icl.models import make_network
from icl.training import Rates, TrainState, init_state, train_until
from icl.types import ExemplarBank, IndexSequence, Knobs, Sequence

# Enough for the leading principal components; more would only take time and memory.
MAX_EXAMPLES = 10_000


class Inputs(NamedTuple):
    """All that differs between runs which share one compiled program."""

    init_key: Key[Array, ""]
    train_key: Key[Array, ""]
    eval_key: Key[Array, ""]
    rates: Rates
    knobs: Knobs


@dataclass(frozen=True)
class Experiment:
    """A run's functions, compiled on first use.

    shapes: the shapes and types of the state.
    init: () -> the state before the first step.
    train: (state, step) -> the state after that many steps in all; gives up the state given.
    evaluate: state -> {condition: {metric: value}}, the metrics of `icl.evaluation.evaluate`.
    draw: (key, batch size, family) -> sequences, as integers and as the network sees them.
    """

    config: ExperimentConfig
    shapes: TrainState
    families: dict[str, Family]
    init: Callable[[], TrainState]
    train: Callable[[TrainState, int], TrainState]
    evaluate: Callable[[TrainState], dict[str, dict[str, Array]]]
    draw: Callable[[Key[Array, ""], int, Family], tuple[IndexSequence, Sequence]]

    @property
    def num_parameters(self) -> int:
        """Of the network: those that are trained."""
        return sum(leaf.size for leaf in jax.tree.leaves(self.shapes.variables.params))


def make_knobs(data: DataConfig) -> Knobs:
    """The traced part of the distribution."""
    return Knobs(
        p_bursty=jnp.float32(data.p_bursty),
        class_thresholds=jnp.asarray(
            class_thresholds(data.num_classes, data.zipf_exponent, data.source.num_classes)
        ),
        num_classes=jnp.int32(data.num_classes),
        label_multiplicity=jnp.int32(data.label_multiplicity),
        num_exemplars=jnp.int32(data.num_exemplars),
        noise_scale=jnp.float32(data.noise_scale),
    )


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
    )


def make_families(data: DataConfig) -> dict[str, Family]:
    """The families that training sequences come from, and their mixture, `train`."""
    bursty = Bursty(data.context_len, data.shots, data.ways, data.distinct_classes)
    independent = Independent(data.context_len)
    return {
        "bursty": bursty,
        "independent": independent,
        "train": Mixture(bursty, independent),
    }


def make_inputs(config: ExperimentConfig) -> Inputs:
    """The traced part of an experiment."""
    init_key, train_key, eval_key = jax.random.split(jax.random.key(config.seed), 3)
    return Inputs(
        init_key, train_key, eval_key, make_rates(config.training), make_knobs(config.data)
    )


def make_experiment(config: ExperimentConfig, bank: ExemplarBank) -> Experiment:
    """Put the exemplars on the device and build the run's functions.

    bank: as the source of `config.data` gives it.
    """
    bank = shuffle_classes(bank, config.data.split_seed)
    network = make_network(config.model, config.data.num_labels, _examples(config.data, bank))
    families = make_families(config.data)
    is_noisy = config.data.noise_scale > 0

    def draw(
        key: Array, batch_size: int, family: Family, knobs: Knobs, exemplars: Array
    ) -> tuple[IndexSequence, Sequence]:
        index_key, noise_key = jax.random.split(key)
        indices = draw_indices(index_key, family, knobs, batch_size)
        noise_scale = knobs.noise_scale if is_noisy else None
        return indices, look_up(noise_key, indices, exemplars, noise_scale)

    def init(inputs: Inputs) -> TrainState:
        return init_state(network.init(inputs.init_key), inputs.rates)

    def train(state: TrainState, stop: Array, inputs: Inputs, exemplars: Array) -> TrainState:
        def batch(key: Array) -> Sequence:
            size = config.training.batch_size
            return draw(key, size, families["train"], inputs.knobs, exemplars)[1]

        return train_until(state, stop, inputs.train_key, batch, network.apply, inputs.rates)

    def evaluate_all(state: TrainState, inputs: Inputs, exemplars: Array) -> dict[str, Any]:
        return {
            name: evaluate(
                jax.random.fold_in(inputs.eval_key, state.step),
                name,
                config.evaluation.num_sequences,
                partial(
                    draw,
                    family=CONDITIONS[name](config.data, config.evaluation).family,
                    knobs=inputs.knobs,
                    exemplars=exemplars,
                ),
                lambda sequence: network.apply(state.variables, sequence)[0],
            )
            for name in config.evaluation.conditions
        }

    inputs = make_inputs(config)
    exemplars = jnp.asarray(bank.exemplars)
    # Runs once: compiling it well would take longer than it could save.
    jit_init = jax.jit(init, compiler_options={"xla_backend_optimization_level": 0})
    jit_train = jax.jit(train, donate_argnums=0)
    jit_evaluate = jax.jit(evaluate_all)
    jit_draw = jax.jit(draw, static_argnums=(1, 2))
    return Experiment(
        config=config,
        shapes=jax.eval_shape(init, inputs),
        families=families,
        init=lambda: jit_init(inputs),
        train=lambda state, stop: jit_train(state, jnp.int32(stop), inputs, exemplars),
        evaluate=lambda state: jit_evaluate(state, inputs, exemplars),
        draw=lambda key, size, family: jit_draw(key, size, family, inputs.knobs, exemplars),
    )


def _examples(data: DataConfig, bank: ExemplarBank) -> np.ndarray:
    """Exemplars of training classes, evenly spaced, as the network sees them (without noise)."""
    used = bank.exemplars[: data.num_classes, : data.num_exemplars]
    flat = used.reshape(-1, *used.shape[2:])
    examples = flat[:: -(-len(flat) // MAX_EXAMPLES)]
    return examples.astype(np.float32) / 255 if examples.dtype == np.uint8 else examples
