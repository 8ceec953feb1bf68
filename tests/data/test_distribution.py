"""Drawing of classes: exact tables, exact conditionals, uniform integers and orders."""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from icl.data.distribution import (
    class_thresholds,
    distinct_below,
    draw_class,
    draw_classes,
    random_order,
    uniform_below,
)
from tests.data import reference
from tests.statistics import assert_same_distribution

# Integers come out the same however little the compiler does, and compiling takes most of the time.
QUICKLY = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}

UNITS = 2**32
TOP = UNITS - 1
words = st.integers(0, TOP)


def widths_of(thresholds: np.ndarray, num_classes: int) -> list[int]:
    """How many of the 2**32 integers each class owns."""
    ends = [int(t) for t in thresholds[: num_classes - 1]] + [UNITS]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]


def table(widths: list[int], capacity: int) -> np.ndarray:
    """The thresholds of classes that own so many integers."""
    assert sum(widths) == UNITS
    assert min(widths) >= 1
    ends = np.cumsum(widths)[:-1]
    return np.concatenate([ends, np.full(capacity - len(ends), TOP)]).astype(np.uint32)


# ---- class_thresholds


@pytest.mark.parametrize("zipf_exponent", [0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0])
@pytest.mark.parametrize("num_classes", [2, 3, 10, 1600, 100_000])
def test_thresholds_are_the_cumulative_probabilities(num_classes, zipf_exponent):
    thresholds = class_thresholds(num_classes, zipf_exponent, num_classes)
    weights = [float(num_classes - j) ** -zipf_exponent for j in range(num_classes)]
    total, cumulative, end, expected = math.fsum(weights), 0.0, 0, []
    for weight in weights[:-1]:
        cumulative += weight / total
        end = max(end + 1, round(cumulative * UNITS))
        expected.append(end)
    difference = thresholds[:-1].astype(np.int64) - np.array(expected, np.int64)
    assert np.abs(difference).max() <= 1  # the order of summation


@pytest.mark.parametrize("zipf_exponent", [0.0, 1.0, 3.0, 10.0])
@pytest.mark.parametrize("num_classes", [2, 3, 1600, 100_000])
def test_every_class_keeps_an_integer(num_classes, zipf_exponent):
    widths = widths_of(class_thresholds(num_classes, zipf_exponent, num_classes), num_classes)
    assert min(widths) >= 1
    assert sum(widths) == UNITS


@pytest.mark.parametrize("zipf_exponent", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("num_classes", [2, 10, 1600])
def test_each_probability_is_right_to_one_unit(num_classes, zipf_exponent):
    widths = widths_of(class_thresholds(num_classes, zipf_exponent, num_classes), num_classes)
    exact = reference.class_probabilities(num_classes, zipf_exponent) * UNITS
    assert np.abs(np.array(widths) - exact).max() <= 1.001


def test_class_0_is_the_rarest_and_zero_exponent_is_uniform():
    widths = widths_of(class_thresholds(1600, 1.0, 1600), 1600)
    assert all(a <= b + 1 for a, b in itertools.pairwise(widths))
    assert widths[-1] == pytest.approx(1600 * widths[0], rel=1e-4)
    assert set(widths_of(class_thresholds(1024, 0.0, 1024), 1024)) == {UNITS // 1024}


@pytest.mark.parametrize("num_classes", [2, 5, 99, 100])
def test_padding(num_classes):
    thresholds = class_thresholds(num_classes, 1.0, 100)
    assert thresholds.shape == (100,)
    assert thresholds.dtype == np.uint32
    assert (thresholds[num_classes - 1 :] == TOP).all()
    np.testing.assert_array_equal(
        thresholds[:num_classes], class_thresholds(num_classes, 1.0, num_classes)
    )


# ---- uniform_below

jit_uniform_below = jax.jit(uniform_below)


@settings(deadline=None)
@given(words, words)
def test_uniform_below_is_the_upper_half_of_the_product(bits, bound):
    assert int(jit_uniform_below(jnp.uint32(bits), jnp.uint32(bound))) == bits * bound >> 32


def test_uniform_below_at_the_edges():
    edges = [0, 1, 2, 2**15, 2**16 - 1, 2**16, 2**16 + 1, 2**31 - 1, 2**31, TOP - 1, TOP]
    pairs = list(itertools.product(edges, edges))
    bits, bounds = (jnp.array(part, jnp.uint32) for part in zip(*pairs, strict=True))
    drawn = jax.vmap(uniform_below)(bits, bounds)
    assert drawn.tolist() == [a * b >> 32 for a, b in pairs]


def test_uniform_below_takes_bounds_of_every_kind():
    bits = jnp.array([0, 2**31, TOP], jnp.uint32)
    for bound in (10, jnp.int32(10), jnp.uint32(10)):
        assert uniform_below(bits, bound).tolist() == [0, 5, 9]
    assert uniform_below(bits, TOP).tolist() == [0, 2**31 - 1, TOP - 1]


# ---- draw_class

jit_draw_class = jax.jit(draw_class)

CAPACITY = 6
TABLES = [
    class_thresholds(2, 0.0, CAPACITY),
    class_thresholds(3, 1.0, CAPACITY),
    class_thresholds(5, 0.0, CAPACITY),
    class_thresholds(5, 1.0, CAPACITY),
    class_thresholds(6, 10.0, CAPACITY),
    table([1, UNITS - 1], CAPACITY),
    table([UNITS - 1, 1], CAPACITY),
    table([1, 1, 1, UNITS - 3], CAPACITY),
    table([UNITS - 3, 1, 1, 1], CAPACITY),
    table([1, UNITS - 3, 1, 1], CAPACITY),
    table([2**31, 1, 2**31 - 2, 1], CAPACITY),
]
SIZES = [2, 3, 5, 5, 6, 2, 2, 4, 4, 4, 4]


def conditional(widths: list[int], excluded: tuple[int, ...]) -> list[tuple[int, int]]:
    """(class, first of its integers) when what the excluded own is struck out."""
    cuts, start = [], 0
    for c, width in enumerate(widths):
        if c not in excluded:
            cuts.append((c, start))
            start += width
    return cuts


@pytest.mark.parametrize("num_excluded", range(CAPACITY))
def test_draw_class_is_exact_for_every_bit_pattern(num_excluded):
    """A class owns an interval of bit patterns; its two ends are looked at, by integers.

    Class c of the R integers left over, m .. m + width - 1, must come from exactly the patterns
    with m <= bits * R / 2**32 < m + width. The drawn class never falls as bits grow past a cut,
    so that the patterns at both sides of each cut settle all 2**32.
    """
    cases = []
    for thresholds, num_classes in zip(TABLES, SIZES, strict=True):
        widths = widths_of(thresholds, num_classes)
        for excluded in itertools.permutations(range(num_classes), num_excluded):
            if num_excluded >= num_classes:
                continue
            cuts = conditional(widths, excluded)
            rest = UNITS - sum(widths[c] for c in excluded)
            for i, (c, first) in enumerate(cuts):
                bits = -(-first * UNITS // rest)  # the first pattern at or past the cut
                cases.append((bits, thresholds, num_classes, excluded, c))
                if i > 0:
                    cases.append((bits - 1, thresholds, num_classes, excluded, cuts[i - 1][0]))
            cases.append((TOP, thresholds, num_classes, excluded, cuts[-1][0]))
    bits, thresholds, num_classes, excluded, expected = zip(*cases, strict=True)
    excluded = jnp.array([[*part, -1] for part in excluded], jnp.int32)
    drawn = jax.jit(jax.vmap(draw_class), compiler_options=QUICKLY)(
        jnp.array(bits, jnp.uint32),
        jnp.array(np.stack(thresholds)),
        jnp.array(num_classes, jnp.int32),
        excluded,
    )
    np.testing.assert_array_equal(drawn, expected)


@settings(max_examples=300, deadline=None)
@given(words, st.integers(0, len(TABLES) - 1), st.integers(0, CAPACITY - 1))
def test_draw_class_with_one_excluded_at_any_bits(bits, which, excluded):
    thresholds, num_classes = TABLES[which], SIZES[which]
    excluded %= num_classes
    widths = widths_of(thresholds, num_classes)
    value = bits * (UNITS - widths[excluded]) >> 32
    expected = [c for c, first in conditional(widths, (excluded,)) if first <= value][-1]
    drawn = jit_draw_class(
        jnp.uint32(bits), jnp.array(thresholds), jnp.int32(num_classes), jnp.array([excluded])
    )
    assert int(drawn) == expected


def test_draw_class_has_the_conditional_frequencies():
    thresholds = jnp.array(class_thresholds(50, 1.0, 64))
    bits = jax.random.bits(jax.random.key(0), (100_000,), jnp.uint32)
    excluded = jnp.array([49, 0, 25])
    drawn = jax.jit(jax.vmap(draw_class, (0, None, None, None)))(
        bits, thresholds, jnp.int32(50), excluded
    )
    probs = reference.class_probabilities(50, 1.0)
    probs[[49, 0, 25]] = 0
    assert_same_distribution(np.bincount(drawn, minlength=50), probs / probs.sum())


# ---- draw_classes

NUM_DRAWS, LONGEST = 50_000, 1600


@functools.partial(jax.jit, static_argnums=3, compiler_options=QUICKLY)
def _draw_many(bits, thresholds, num_classes, distinct):
    draw = jax.vmap(draw_classes, (0, None, None, None))
    return draw(bits, thresholds, num_classes, distinct)


def draw_many(
    seed: int,
    num_classes: int,
    zipf_exponent: float,
    distinct: bool,
    count: int = 4,
    capacity: int = LONGEST,
) -> np.ndarray:
    """The number of classes is traced and the table padded: the cases share a program."""
    thresholds = jnp.array(class_thresholds(num_classes, zipf_exponent, capacity))
    bits = jax.random.bits(jax.random.key(seed), (NUM_DRAWS, count), jnp.uint32)
    return np.asarray(_draw_many(bits, thresholds, jnp.int32(num_classes), distinct))


def assert_distinct(drawn: np.ndarray, num_classes: int) -> None:
    assert drawn.min() >= 0
    assert drawn.max() < num_classes
    assert (np.diff(np.sort(drawn, axis=1), axis=1) > 0).all()


@pytest.mark.parametrize("zipf_exponent", [0.0, 1.0, 3.0, 10.0])
@pytest.mark.parametrize("num_classes", [4, 5, 1600])
def test_distinct_classes_never_repeat(num_classes, zipf_exponent):
    assert_distinct(draw_many(1, num_classes, zipf_exponent, True), num_classes)


@pytest.mark.parametrize("zipf_exponent", [0.0, 10.0])
def test_distinct_classes_can_be_all_of_them(zipf_exponent):
    assert_distinct(draw_many(1, 6, zipf_exponent, True, count=6, capacity=6), 6)


@pytest.mark.parametrize("distinct", [True, False])
@pytest.mark.parametrize("zipf_exponent", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("num_classes", [5, 1600])
def test_the_first_class_is_distributed_as_the_table_says(num_classes, zipf_exponent, distinct):
    drawn = draw_many(2, num_classes, zipf_exponent, distinct)
    counts = np.bincount(drawn[:, 0], minlength=num_classes)
    assert_same_distribution(counts, reference.class_probabilities(num_classes, zipf_exponent))


@pytest.mark.parametrize("distinct", [True, False])
@pytest.mark.parametrize("zipf_exponent", [0.0, 1.0, 3.0])
def test_joint_distribution_of_pairs_and_triples(zipf_exponent, distinct):
    p = reference.class_probabilities(5, zipf_exponent)
    pairs, triples = np.zeros((5, 5)), np.zeros((5, 5, 5))
    for a, b, c in itertools.product(range(5), repeat=3):
        if not distinct:
            pairs[a, b] = p[a] * p[b]
            triples[a, b, c] = p[a] * p[b] * p[c]
        elif len({a, b, c}) == 3:
            pairs[a, b] = p[a] * p[b] / (1 - p[a])
            triples[a, b, c] = pairs[a, b] * p[c] / (1 - p[a] - p[b])
    drawn = draw_many(3, 5, zipf_exponent, distinct)
    counts = np.bincount(drawn[:, :2] @ [5, 1], minlength=25)
    assert_same_distribution(counts, pairs)
    counts = np.bincount(drawn[:, :3] @ [25, 5, 1], minlength=125)
    assert_same_distribution(counts, triples)


def test_capacity_changes_no_draw():
    small = draw_many(5, 8, 1.0, False, capacity=8)
    np.testing.assert_array_equal(small, draw_many(5, 8, 1.0, False))


def test_many_distinct_classes_compile_and_are_distinct():
    thresholds = jnp.array(class_thresholds(2000, 1.0, 2000))
    bits = jax.random.bits(jax.random.key(0), (3, 512), jnp.uint32)
    assert_distinct(np.asarray(_draw_many(bits, thresholds, jnp.int32(2000), True)), 2000)


# ---- distinct_below

jit_distinct_below = jax.jit(jax.vmap(distinct_below, (0, None)))


@pytest.mark.parametrize(("count", "bound"), [(1, 1), (1, 7), (3, 3), (3, 5), (4, 4)])
def test_distinct_integers_are_uniform_over_arrangements(count, bound):
    bits = jax.random.bits(jax.random.key(6), (40_000, count), jnp.uint32)
    drawn = np.asarray(jit_distinct_below(bits, bound))
    assert_distinct(drawn, bound)
    codes = drawn @ bound ** np.arange(count)
    expected = np.zeros(bound**count)
    for arrangement in itertools.permutations(range(bound), count):
        expected[np.array(arrangement) @ bound ** np.arange(count)] = 1
    observed = np.bincount(codes, minlength=bound**count)
    assert_same_distribution(observed, expected / expected.sum())


def test_distinct_integers_beyond_the_bound_are_drawn_anew():
    bits = jax.random.bits(jax.random.key(7), (40_000, 4), jnp.uint32)
    drawn = np.asarray(jit_distinct_below(bits, 2))
    assert_distinct(drawn[:, :2], 2)
    assert_same_distribution(np.bincount(drawn @ [1, 2, 4, 8], minlength=16), _two_then_any())


def _two_then_any() -> np.ndarray:
    allowed = [code for code in range(16) if code % 4 in (1, 2)]
    return np.isin(np.arange(16), allowed) / len(allowed)


# ---- random_order


def test_random_order_is_uniform_over_permutations():
    bits = jax.random.bits(jax.random.key(4), (50_000, 4), jnp.uint32)
    orders = np.asarray(jax.jit(jax.vmap(random_order))(bits))
    np.testing.assert_array_equal(np.sort(orders, axis=1), np.tile(np.arange(4), (50_000, 1)))
    codes, counts = np.unique(orders @ np.array([64, 16, 4, 1]), return_counts=True)
    assert len(codes) == 24
    assert_same_distribution(counts, np.full(24, 1 / 24))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([0, 1, 2, TOP - 1, TOP]), min_size=5, max_size=5))
def test_random_order_ranks_the_bits_and_ties_by_place(values):
    order = random_order(jnp.array(values, jnp.uint32))
    by_rank = sorted(range(5), key=lambda i: (values[i], i))
    assert [by_rank.index(i) for i in range(5)] == order.tolist()


def test_random_order_of_one():
    assert random_order(jnp.zeros(1, jnp.uint32)).tolist() == [0]
