"""A whole run on the device: the seed is all of its randomness, and compiling happens once."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import jaxpr_as_fun

from icl.config import DataConfig, EvaluationConfig, ExperimentConfig, TrainingConfig
from icl.config.embedders import LinearEmbedder
from icl.config.networks import TransformerConfig
from icl.config.sources import GlyphsSource
from icl.problems.base import BoundProgram, bind, make_program
from icl.problems.sequences import make_problem
from icl.training.step import TrainState
from icl.types import ExemplarBank

SOURCE = GlyphsSource(num_classes=40, num_exemplars=6, size=12)


def make_config(
    seed: int = 0,
    data: dict[str, Any] | None = None,
    training: dict[str, Any] | None = None,
    evaluation: dict[str, Any] | None = None,
) -> ExperimentConfig:
    small = {
        "source": SOURCE,
        "context_len": 4,
        "shots": 1,
        "num_classes": 30,
        "num_holdout_classes": 6,
        "num_exemplars": 6,
    }
    return ExperimentConfig(
        seed=seed,
        data=DataConfig(**small | (data or {})),
        model=TransformerConfig(num_layers=1, width=16, num_heads=2, embedder=LinearEmbedder()),
        training=TrainingConfig(**{"batch_size": 8, "warmup_steps": 5} | (training or {})),
        evaluation=EvaluationConfig(**{"num_sequences": 40, "shots": 1} | (evaluation or {})),
    )


@cache
def make_bank() -> ExemplarBank:
    """What the source would give, but of noise: a pattern for each class, and some more."""
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 200, (SOURCE.num_classes, 1, 12, 12))
    exemplars = classes + rng.integers(0, 56, (SOURCE.num_classes, SOURCE.num_exemplars, 12, 12))
    return ExemplarBank(exemplars.astype(np.uint8), tuple(map(str, range(SOURCE.num_classes))))


def bound(config: ExperimentConfig) -> BoundProgram:
    return bind(make_program(make_problem(config, make_bank())), config)


@cache
def make(seed: int = 0) -> BoundProgram:
    """Made once for each seed, so that its programs are compiled once."""
    return bound(make_config(seed))


def copy(state: TrainState) -> TrainState:
    """Copy a state, as `train` donates the one that it is given."""
    return jax.tree.map(jnp.copy, state)


def as_bytes(tree: Any) -> list[tuple[str, bytes]]:
    return [
        (jax.tree_util.keystr(path), np.asarray(leaf).tobytes())
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    ]


@contextmanager
def counted_compilations() -> Iterator[list[str]]:
    compiled = []

    def note(event: str, duration: float, **details: Any) -> None:
        if event.endswith("backend_compile_duration"):
            compiled.append(str(details.get("fun_name", event)))

    jax.monitoring.register_event_duration_secs_listener(note)
    try:
        yield compiled
    finally:
        jax.monitoring.unregister_event_duration_listener(note)


def run(experiment: BoundProgram) -> Iterator[tuple[TrainState, dict]]:
    """A few chunks, with an evaluation after each."""
    state = experiment.init()
    for stop in (1, 2, 9, 10):
        state = experiment.train(state, stop)
        yield copy(state), experiment.evaluate(state)
        state = state._replace(
            loss_sum=jnp.zeros_like(state.loss_sum), loss_count=jnp.zeros_like(state.loss_count)
        )


class Watched(NamedTuple):
    """A run of an experiment never used before: what was compiled when, and the results."""

    compiled_first: list[str]
    compiled_later: list[str]
    results: list[tuple[TrainState, dict]]


@cache
def watch() -> Watched:
    chunks = run(bound(make_config()))
    with counted_compilations() as first:
        results = [next(chunks)]
    with counted_compilations() as later:
        results += list(chunks)
    return Watched(first, later, results)


def test_a_run_from_start_to_end():
    experiment = make()
    state = experiment.init()
    assert int(state.step) == int(state.loss_count) == int(state.bad_step) == 0
    params = jax.tree.leaves(state.variables.params)
    assert experiment.program.num_parameters == sum(leaf.size for leaf in params)
    state = experiment.train(state, 3)
    assert int(state.step) == int(state.loss_count) == 3
    assert int(state.bad_step) == 0
    chance = np.log(make_config().data.num_labels)
    assert 0.5 * chance < float(state.loss_sum) / 3 < 2 * chance
    scores = experiment.evaluate(state)
    assert scores.keys() == set(make_config().evaluation.conditions)
    for values in scores.values():
        assert all(np.isfinite(value) for value in values.values() if value.ndim == 0)
        assert 0 <= values["accuracy"] <= 1
        assert 0 <= values["accuracy_in_context"] <= 1
    assert scores["no_support"]["accuracy_in_context"] == 0


@pytest.mark.parametrize("family", ["bursty", "independent", "train"])
def test_families_can_be_drawn_as_the_network_sees_them(family):
    experiment = make()
    key = jax.random.key(3)
    problem = experiment.program.problem
    indices, sequence = problem.draw(key, 4, problem.families[family], experiment.inputs.knobs)
    assert sequence.exemplars.shape == (4, 5, 12, 12)
    assert 0 <= sequence.exemplars.min() <= sequence.exemplars.max() <= 1
    np.testing.assert_array_equal(indices.labels, sequence.labels)
    assert indices.classes.max() < 30
    bank = make_bank().exemplars.reshape(-1, 12, 12)
    for image in np.round(np.asarray(sequence.exemplars) * 255).reshape(-1, 12, 12):
        assert (image == bank).all(axis=(1, 2)).any()


# The seed.


def test_the_same_seed_gives_the_same_bits():
    assert as_bytes(list(run(make()))) == as_bytes(watch().results)


def test_another_seed_changes_the_weights_the_batches_and_the_tests():
    one, two = make(), make(seed=1)
    start, other = one.init(), two.init()
    for (path, a), b in zip(
        jax.tree_util.tree_leaves_with_path(start.variables.params),
        jax.tree.leaves(other.variables.params),
        strict=True,
    ):
        if path[-1].key in ("kernel", "embedding"):
            assert (a != b).all(), path
    # From the same weights on, what differs is what is drawn.
    a, b = one.train(copy(start), 1), two.train(copy(start), 1)
    assert float(a.loss_sum) != float(b.loss_sum)
    a, b = one.evaluate(start), two.evaluate(start)
    for name in a:
        assert float(a[name]["loss"]) != float(b[name]["loss"])


def test_each_step_is_evaluated_on_fresh_sequences():
    experiment = make()
    state = experiment.init()
    now, later = (
        experiment.evaluate(state._replace(step=jnp.int32(step)))["no_support"]["loss"]
        for step in (0, 1)
    )
    assert float(now) != float(later)


def test_a_condition_draws_the_same_sequences_whatever_the_others():
    every = make()
    chosen = make_config(evaluation={"conditions": ("no_support", "fewshot_holdout")})
    state = every.init()
    all_scores = every.evaluate(state)
    scores = bound(chosen).evaluate(state)
    assert scores.keys() == {"no_support", "fewshot_holdout"}
    for name, values in scores.items():
        for metric, value in values.items():
            np.testing.assert_allclose(value, all_scores[name][metric], rtol=1e-5)


# Chunks.


@pytest.mark.parametrize("stops", [range(1, 13), (1, 5, 12), (7, 7, 12)])
def test_steps_in_chunks_are_the_steps_in_one(stops):
    experiment = make()
    state = experiment.init()
    for stop in stops:
        state = experiment.train(state, stop)
    assert as_bytes(state) == as_bytes(experiment.train(experiment.init(), 12))


def test_nothing_is_compiled_after_the_first_chunk_and_evaluation():
    watched = watch()
    for name in ("train", "evaluate"):
        assert sum(name in program for program in watched.compiled_first) == 1
        assert not any(name in program for program in watched.compiled_later)


@pytest.mark.slow
def test_memory_does_not_grow_with_steps():
    experiment = make()
    state = experiment.init()
    living = []
    for chunk in range(1, 11):
        state = experiment.train(state, 3 * chunk)
        scores = experiment.evaluate(state)
        gc.collect()
        living.append(len(jax.live_arrays()))
    assert living[1] == living[9]
    del scores


def program(config: ExperimentConfig) -> str:
    """The training program, constants included, before XLA sees it."""
    experiment = bound(config)
    calls = jax.make_jaxpr(lambda state: experiment.train(state, 5))(experiment.program.shapes)
    (call,) = (e for e in calls.jaxpr.eqns if e.params.get("name") == "train")
    inner = call.params["jaxpr"]
    return jax.jit(jaxpr_as_fun(inner)).lower(*inner.in_avals).as_text()


def test_knobs_that_change_no_shape_change_no_program():
    first = program(make_config())
    data = {"p_bursty": 0.1, "zipf_exponent": 1.5, "num_exemplars": 2, "num_common_classes": 7}
    training = {
        "learning_rate": 0.5,
        "warmup_steps": 77,
        "weight_decay": 0.1,
        "clip_norm": 1.0,
        "adam_b1": 0.5,
        "adam_b2": 0.9,
    }
    assert program(make_config(data=data, training=training)) == first
    assert program(make_config(seed=1)) == first
    # The same number of labels in all.
    split = {"num_classes": 26, "num_holdout_classes": 10}
    assert program(make_config(data=split)) == first
    assert program(make_config(training={"batch_size": 9})) != first


def test_options_in_use_change_no_program_either():
    mixture = {"bursty": 1.0, "independent": 2.0, "supported": 0.0}
    in_use = {
        "mixture": mixture,
        "num_sequences": 100,
        "num_blocks": 2,
        "block_steps": 3,
        "label_noise": 0.1,
        "cue_reliability": 0.9,
        "drift_rate": 0.01,
        "p_relevant": 0.5,
        "p_matched_exemplar": 0.5,
        "p_copied_exemplar": 0.5,
        "noise_scale": 0.1,
    }
    other = {
        "mixture": {"bursty": 0.0, "independent": 1.0, "supported": 5.0},
        "num_sequences": 7,
        "num_blocks": 3,
        "block_steps": 2,
        "label_noise": 0.2,
        "cue_reliability": 0.5,
        "drift_rate": 1.0,
        "p_relevant": 0.1,
        "p_matched_exemplar": 0.1,
        "p_copied_exemplar": 1.0,
        "noise_scale": 1.0,
    }
    assert program(make_config(data=in_use)) == program(make_config(data=other))


def test_a_finite_data_set_is_the_runs_own_and_of_its_size():
    def losses(seed: int) -> list[float]:
        data = {"num_sequences": 1}
        experiment = bound(make_config(seed, data=data))
        state = experiment.init()
        found = []
        for step in range(3):
            after = experiment.train(copy(state), step + 1)
            found.append(float(after.loss_sum))
            # The same weights on the next step's batch.
            state = state._replace(step=state.step + 1)
        return found

    first, second = losses(0), losses(1)
    # One sequence, again and again: the same loss whatever the step.
    assert first == pytest.approx([first[0]] * 3, rel=1e-6)
    assert second == pytest.approx([second[0]] * 3, rel=1e-6)
    assert first[0] != pytest.approx(second[0], rel=1e-6)
