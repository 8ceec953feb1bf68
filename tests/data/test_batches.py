"""Batches: random bits counted, finite data sets, blocks, drift, and what is looked up."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from icl.config import DataConfig, ExperimentConfig
from icl.config.embedders import LinearEmbedder
from icl.config.networks import TransformerConfig
from icl.config.sources import GlyphsSource
from icl.data.batches import (
    at_step,
    choose,
    count_bits,
    draw_batch,
    draw_indices,
    in_block,
    look_up,
)
from icl.data.bits import RandomBits
from icl.data.families import make_families
from icl.data.families.independent import Independent
from icl.evaluation.conditions import make_conditions
from icl.problems.base import Inputs
from icl.problems.sequences import SequenceProblem, make_problem
from icl.types import ExemplarBank, Exemplars, IndexSequence

from ..chi_square import ALPHA, assert_proportion, assert_same_distribution
from .drawing import QUICKLY

SOURCE = GlyphsSource(num_classes=24, num_exemplars=2, size=8)
SMALL = {"num_classes": 20, "num_holdout_classes": 4, "context_len": 2, "shots": 1, "ways": 1}


@functools.cache
def bank() -> ExemplarBank:
    """No two exemplars alike."""
    images = np.arange(48).reshape(24, 2, 1, 1) + np.arange(64).reshape(8, 8)
    return ExemplarBank(images.astype(np.uint8), tuple(map(str, range(24))))


@functools.cache
def make_problem_of(batch_size: int = 2, **data) -> SequenceProblem:
    config = ExperimentConfig(
        data=DataConfig(**{"source": SOURCE, "mixture": {"independent": 1.0}} | SMALL | data),
        model=TransformerConfig(embedder=LinearEmbedder()),
        training={"batch_size": batch_size},
        evaluation={"conditions": ("no_support",)},
    )
    return make_problem(config, bank())


def make(**data) -> tuple[DataConfig, Inputs, Exemplars]:
    problem = make_problem_of(**data)
    return problem.config.data, problem.inputs(problem.config), problem.exemplars


@functools.cache
def program(batch_size: int, **data):
    """(key, step) -> a training batch."""
    problem = make_problem_of(batch_size, **data)
    inputs = problem.inputs(problem.config)

    @functools.partial(jax.jit, compiler_options=QUICKLY)
    def draw(key, step, inputs):
        return problem.draw_batch(key, step, inputs, problem.arrays)

    return lambda seed, step=0: jax.tree.map(
        np.asarray, draw(jax.random.key(seed), jnp.int32(step), inputs)
    )


def rows(sequence) -> np.ndarray:
    """Each sequence as the network sees it, in one row."""
    items = np.asarray(sequence.exemplars, np.float64)
    return np.concatenate([items.reshape(len(items), -1), sequence.labels], axis=1)


# RandomBits.


def test_bits_are_counted_as_a_family_takes_them():
    knobs = make()[1].knobs
    family = Independent(8)
    count = count_bits(family, knobs)
    bits = jax.random.bits(jax.random.key(0), (count,), jnp.uint32)
    taken = RandomBits(bits)
    family(taken, knobs)
    assert taken.used == count
    with pytest.raises(AssertionError, match="more random bits taken"):
        family(RandomBits(bits[:-1]), knobs)
    batch = draw_indices(jax.random.key(0), family, knobs, 3)
    assert batch.classes.shape == (3, 9)


def test_words_are_taken_once():
    bits = RandomBits(jnp.arange(10, dtype=jnp.uint32))
    first, other = bits.take(2, 2), bits.copy()
    assert first.tolist() == [[0, 1], [2, 3]]
    assert bits.take().tolist() == other.take(1).tolist()[0] == 4
    assert bits.take(5).tolist() == [5, 6, 7, 8, 9]


# Finite data sets.

RANDOM = {"noise_scale": 0.5, "random_rare_exemplars": True, "num_common_classes": 5}


@pytest.mark.parametrize("data", [{}, RANDOM], ids=["plain", "noise and random images"])
def test_of_a_finite_data_set_only_so_many_sequences_occur(data):
    size, draw = 7, program(500, num_sequences=7, **data)
    batches = [rows(draw(0, 0)), rows(draw(1, 99))]
    seen, counts = np.unique(np.concatenate(batches), axis=0, return_counts=True)
    assert len(seen) == size
    assert_same_distribution(counts, np.full(size, 1 / size))
    np.testing.assert_array_equal(np.unique(batches[0], axis=0), seen)  # the same at another step
    np.testing.assert_array_equal(rows(draw(0, 5)), batches[0])


def test_a_larger_data_set_holds_the_smaller_one():
    small, large = (np.unique(rows(program(500, num_sequences=size)(0)), axis=0) for size in (7, 9))
    assert len(large) == 9
    assert {row.tobytes() for row in small} <= {row.tobytes() for row in large}


def test_without_end_no_sequence_occurs_twice():
    draw = program(500, **RANDOM)
    both = np.concatenate([rows(draw(0)), rows(draw(1))])
    assert len(np.unique(both, axis=0)) == 1000
    np.testing.assert_array_equal(rows(draw(0)), rows(draw(0)))


@pytest.mark.parametrize("num_sequences", [1, 6, 2**31 - 1])
def test_sequences_of_a_data_set_are_chosen_uniformly(num_sequences):
    chosen = np.asarray(choose(jax.random.key(0), jnp.int32(num_sequences), 6000))
    assert chosen.min() >= 0
    assert chosen.max() < num_sequences
    cells = min(num_sequences, 6)
    counts = np.bincount(chosen.astype(np.int64) * cells // num_sequences, minlength=cells)
    assert_same_distribution(counts, np.full(cells, 1 / cells))


# Blocks.


@pytest.mark.parametrize(("num_classes", "num_blocks"), [(20, 2), (20, 3), (19, 7), (17, 17)])
def test_blocks_share_out_all_classes_and_come_again(num_classes, num_blocks):
    _, inputs, _ = make(num_classes=num_classes, num_blocks=num_blocks, block_steps=10)
    covered = []
    for block in range(num_blocks):
        pools = [
            in_block(at_step(inputs.knobs, jnp.int32(step))).pools
            for step in (10 * block, 10 * block + 9, 10 * (block + 3 * num_blocks))
        ]
        ends = [(int(pool["train"].first), int(pool["train"].size)) for pool in pools]
        assert len(set(ends)) == 1
        first, size = ends[0]
        assert num_classes // num_blocks <= size <= num_classes // num_blocks + 1
        covered += range(first, first + size)
        assert pools[0]["uniform"] == inputs.knobs.pools["uniform"]
    assert covered == list(range(num_classes))


@pytest.mark.parametrize("zipf_exponent", [0.0, 1.0])
def test_training_sees_the_classes_of_its_block_and_a_test_all(zipf_exponent):
    data, inputs, _ = make(num_blocks=3, block_steps=10, zipf_exponent=zipf_exponent)
    train = make_families(data)["train"]
    draw = jax.jit(draw_indices, static_argnums=(1, 3), compiler_options=QUICKLY)
    weights = np.arange(1, 21) ** -zipf_exponent
    for step, classes in ((0, range(6)), (25, range(13, 20)), (30, range(6))):
        knobs = at_step(inputs.knobs, jnp.int32(step))
        inside = draw(jax.random.key(step), train, in_block(knobs), 3000).classes.ravel()
        expected = np.where(np.isin(np.arange(20), classes), weights, 0)
        assert_same_distribution(np.bincount(inside, minlength=20), expected / expected.sum())
        outside = draw(jax.random.key(step), train, knobs, 3000).classes.ravel()
        assert_same_distribution(np.bincount(outside, minlength=20), weights / weights.sum())
    labels = program(500, num_blocks=3, block_steps=10, zipf_exponent=zipf_exponent)(0, 19).labels
    assert set(labels.ravel()) == {19 - c for c in range(6, 13)}


# Drift.


def test_labels_drift_with_the_steps_made():
    """Class c means 19 - c at first; after 1 / rate steps each has another meaning, or so."""
    draw = program(500, drift_rate=0.01)
    batches = [draw(0, step) for step in (0, 50, 100, 100_000)]
    for batch in batches[1:]:
        np.testing.assert_array_equal(batch.exemplars, batches[0].exemplars)
    kept = [(batch.labels == batches[0].labels).mean() for batch in batches]
    assert kept[0] == 1
    assert 0.2 < kept[1] < 0.9  # of 20 classes, half
    assert kept[2] < 0.3
    assert kept[3] < 0.3


# What is looked up.


def indices_of(classes, exemplars) -> IndexSequence:
    classes, exemplars = jnp.array(classes), jnp.array(exemplars)
    zero = jnp.zeros(classes.shape[:-1], jnp.int32)
    return IndexSequence(classes, exemplars, classes + 100, zero + 1, zero)


def test_pixels_are_scaled_and_otherwise_exact():
    _, inputs, exemplars = make()
    indices = indices_of([[2, 0, 1], [0, 0, 23]], [[1, 0, 1], [1, 0, 0]])
    sequence = look_up(jax.random.key(0), indices, exemplars, exemplars.arrays, inputs.knobs)
    assert sequence.exemplars.dtype == jnp.float32
    order = np.asarray(exemplars.arrays["order"])
    assert sorted(order) == list(range(24))
    expected = bank().exemplars[order[indices.classes], indices.exemplars].astype(np.float32) / 255
    np.testing.assert_allclose(sequence.exemplars, expected, rtol=1e-6)
    np.testing.assert_array_equal(sequence.labels, indices.labels)


def test_no_noise_is_none():
    """Off, or of scale 0 where a program for noise is given it."""
    (_, off, exemplars), indices = make(), indices_of([[0, 1, 2]], [[0, 0, 0]])
    on = off.knobs._replace(noise_scale=jnp.float32(0))
    one, other = (
        look_up(jax.random.key(0), indices, exemplars, exemplars.arrays, knobs).exemplars
        for knobs in (off.knobs, on)
    )
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("noise_scale", [0.1, 2.0])
@pytest.mark.parametrize("own_keys", [False, True], ids=["a key", "a key for each sequence"])
def test_noise_is_gaussian_and_each_items_own(noise_scale, own_keys):
    """All items are the same exemplar: whatever differs is noise."""
    _, inputs, exemplars = make()
    knobs = inputs.knobs._replace(noise_scale=jnp.float32(noise_scale))
    indices = indices_of(np.zeros((100, 9), int), np.zeros((100, 9), int))
    key = jax.random.split(jax.random.key(3), 100) if own_keys else jax.random.key(3)
    items = look_up(key, indices, exemplars, exemplars.arrays, knobs).exemplars
    plain = look_up(key, indices, exemplars, exemplars.arrays, inputs.knobs).exemplars
    noise = (np.asarray(items, np.float64) - plain) / noise_scale
    size = noise.size
    assert abs(noise.mean()) * math.sqrt(size) < stats.norm.isf(ALPHA / 2)
    p_value = 2 * min(stats.chi2.cdf((noise**2).sum(), size), stats.chi2.sf((noise**2).sum(), size))
    assert p_value > ALPHA
    assert stats.kstest(noise.ravel()[:20_000], "norm").pvalue > ALPHA
    for one, other in (
        (noise[:, 1:], noise[:, :-1]),  # items of a sequence
        (noise[1:], noise[:-1]),  # sequences of a batch
        (noise[..., 1:, :], noise[..., :-1, :]),  # pixels of an item
        (noise[..., 1:], noise[..., :-1]),
    ):
        assert abs(np.mean(one * other)) * math.sqrt(one.size) < stats.norm.isf(ALPHA / 2)


@pytest.mark.parametrize("own_keys", [False, True], ids=["a key", "a key for each sequence"])
def test_rare_classes_get_a_random_image_for_each_sequence(own_keys):
    _, inputs, exemplars = make(random_rare_exemplars=True, num_common_classes=5)
    _, plain, _ = make()
    classes = np.tile([5, 7, 5, 19, 4, 0, 20, 23, 19], (400, 1))
    numbers = np.tile([0, 1, 1, 0, 0, 1, 0, 1, 1], (400, 1))
    indices = indices_of(classes, numbers)
    key = jax.random.split(jax.random.key(0), 400) if own_keys else jax.random.key(0)
    items, as_they_are = (
        np.asarray(look_up(key, indices, exemplars, exemplars.arrays, knobs).exemplars)
        for knobs in (inputs.knobs, plain.knobs)
    )
    is_rare = (classes[0] >= 5) & (classes[0] < 20)
    np.testing.assert_array_equal(items[:, ~is_rare], as_they_are[:, ~is_rare])
    rare = items[:, is_rare]
    assert set(np.unique(rare)) == {0, 1}
    # Places 0 and 2 are of one class, whatever the exemplar; so are 3 and 4.
    np.testing.assert_array_equal(rare[:, 0], rare[:, 2])
    np.testing.assert_array_equal(rare[:, 3], rare[:, 4])
    apart = rare[:, [0, 1, 3]]
    assert_proportion(apart.sum(), apart.size, 0.5)
    for one, other in (
        (apart[:, 1:], apart[:, :-1]),  # classes of a sequence
        (apart[1:], apart[:-1]),  # sequences
        (apart[..., 1:], apart[..., :-1]),  # pixels
        (apart[..., 1:, :], apart[..., :-1, :]),
    ):
        assert_proportion((one == other).sum(), one.size, 0.5)


# Randomness.


@pytest.mark.parametrize("num_sequences", [None, 5])
@pytest.mark.parametrize(
    "data", [{}, {"noise_scale": 0.5}, {"random_rare_exemplars": True}, RANDOM], ids=str
)
def test_no_key_is_used_twice(data, num_sequences):
    problem = make_problem_of(num_sequences=num_sequences, **data)
    inputs = problem.inputs(problem.config)

    def draw(key, inputs):
        return problem.draw_batch(key, jnp.int32(3), inputs, problem.arrays)

    with jax.debug_key_reuse(True):
        jax.jit(draw, compiler_options=QUICKLY)(jax.random.key(0), inputs)


def test_a_condition_draws_what_training_would_without_blocks():
    data, inputs, exemplars = make()
    train = make_conditions(data, evaluation("train"))["train"]
    _, tested = draw_batch(jax.random.key(7), 500, train, inputs.knobs, exemplars)
    np.testing.assert_allclose(rows(program(500)(7)), rows(tested), rtol=1e-6)


def evaluation(*conditions: str):
    return ExperimentConfig(evaluation={"conditions": conditions}).evaluation
