"""Drawing of classes: exact tables, exact conditionals, uniform integers and orders."""

import functools
import itertools
import math
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from icl.data.bits import RandomBits, happens, random_order, start_of_part, uniform_below
from icl.data.classes import class_thresholds, distinct_below, draw_classes, make_guide
from icl.data.frequencies import zipf_weights
from icl.types import ClassDistribution

from ..chi_square import assert_proportion, assert_same_distribution
from . import reference
from .drawing import QUICKLY

UNITS = 2**32
TOP = UNITS - 1
integers = st.integers(0, TOP)


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
def test_every_class_has_its_probability_to_one_unit_and_the_commonest_what_is_left(
    num_classes, zipf_exponent
):
    thresholds = class_thresholds(zipf_weights(num_classes, zipf_exponent), num_classes)
    widths = np.array(widths_of(thresholds, num_classes))
    weights = np.array([float(j + 1) ** -zipf_exponent for j in range(num_classes)])
    exact = weights / math.fsum(weights) * UNITS
    least = np.ones(num_classes)
    least[-1] = 2
    error = widths - np.maximum(exact, least)
    assert np.abs(error[1:]).max() <= 1.001
    # What classes too rare for one unit are given, and a rounding of the sum.
    given = np.maximum(least - exact, 0)[1:].sum()
    assert abs(error[0] + given) <= max(2.0, 0.51 * (exact < 1).sum())


@pytest.mark.parametrize("zipf_exponent", [0, 1, 2, 3])
@pytest.mark.parametrize("num_classes", [2, 10, 300])
def test_thresholds_agree_with_rational_arithmetic(num_classes, zipf_exponent):
    """Thresholds agree where no class is so rare that it has to be given an integer."""
    weights = [Fraction(1, (j + 1) ** zipf_exponent) for j in range(num_classes)]
    units = UNITS / sum(weights)
    exact = [end * units for end in itertools.accumulate(weights)][:-1]
    thresholds = class_thresholds(zipf_weights(num_classes, float(zipf_exponent)), num_classes)
    for end, threshold in zip(exact, thresholds.tolist(), strict=False):
        assert abs(end - threshold) <= Fraction(1, 2) + Fraction(1, 1000)


@pytest.mark.parametrize("zipf_exponent", [0.0, 1.0, 3.0, 10.0])
@pytest.mark.parametrize("num_classes", [2, 3, 1600, 100_000])
def test_every_class_keeps_an_integer(num_classes, zipf_exponent):
    widths = widths_of(
        class_thresholds(zipf_weights(num_classes, zipf_exponent), num_classes), num_classes
    )
    assert min(widths) >= 1
    assert sum(widths) == UNITS


@pytest.mark.parametrize("zipf_exponent", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("num_classes", [2, 10, 1600])
def test_each_probability_is_right_to_one_unit(num_classes, zipf_exponent):
    widths = widths_of(
        class_thresholds(zipf_weights(num_classes, zipf_exponent), num_classes), num_classes
    )
    exact = reference.class_probabilities(num_classes, zipf_exponent) * UNITS
    assert np.abs(np.array(widths) - exact).max() <= 1.001


def test_class_0_is_the_commonest_and_zero_exponent_is_uniform():
    widths = widths_of(class_thresholds(zipf_weights(1600, 1.0), 1600), 1600)
    assert all(a >= b - 1 for a, b in itertools.pairwise(widths))
    assert widths[0] == pytest.approx(1600 * widths[-1], rel=1e-4)
    assert set(widths_of(class_thresholds(zipf_weights(1024, 0.0), 1024), 1024)) == {UNITS // 1024}


@pytest.mark.parametrize("num_classes", [2, 5, 99, 100])
def test_padding(num_classes):
    thresholds = class_thresholds(zipf_weights(num_classes, 1.0), 100)
    assert thresholds.shape == (100,)
    assert thresholds.dtype == np.uint32
    assert (thresholds[num_classes - 1 :] == TOP).all()
    np.testing.assert_array_equal(
        thresholds[:num_classes], class_thresholds(zipf_weights(num_classes, 1.0), num_classes)
    )


# ---- uniform_below

jit_uniform_below = jax.jit(uniform_below)


@settings(deadline=None)
@given(integers, integers)
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


# ---- one class from 32 bits

CAPACITY = 6
TABLES = [
    class_thresholds(zipf_weights(2, 0.0), CAPACITY),
    class_thresholds(zipf_weights(3, 1.0), CAPACITY),
    class_thresholds(zipf_weights(5, 0.0), CAPACITY),
    class_thresholds(zipf_weights(5, 1.0), CAPACITY),
    class_thresholds(zipf_weights(6, 10.0), CAPACITY),
    table([1, UNITS - 1], CAPACITY),
    table([UNITS - 2, 2], CAPACITY),
    table([1, 1, 1, UNITS - 3], CAPACITY),
    table([UNITS - 4, 1, 1, 2], CAPACITY),
    table([1, UNITS - 4, 1, 2], CAPACITY),
    table([2**31, 1, 2**31 - 3, 2], CAPACITY),
]
SIZES = [2, 3, 5, 5, 6, 2, 2, 4, 4, 4, 4]


MAX_CASES = 2**15


def draw_class(bits, pool, excluded):
    """One class from 32 random bits, not in `excluded`, where -1 stands for none."""
    return draw_classes(bits[None], pool, excluded)[0]


@functools.partial(jax.jit, compiler_options=QUICKLY)
def _draw_from_table(bits, first, size, excluded, thresholds, guide):
    def draw(bits, first, size, excluded):
        return draw_class(bits, ClassDistribution(first, size, thresholds, guide), excluded)

    return jax.vmap(draw)(bits, first, size, excluded)


def draw_from_table(which: int, cases: list[tuple], guided: bool = True) -> np.ndarray:
    """A class for each (bits, first, size, excluded)."""
    thresholds = TABLES[which]
    padded = [np.resize(part, (MAX_CASES, *part.shape[1:])) for part in columns(cases)]
    guide = make_guide(thresholds) if guided else None
    return np.asarray(_draw_from_table(*padded, thresholds, guide))[: len(cases)]


@functools.partial(jax.jit, compiler_options=QUICKLY)
def draw_uniformly(bits, pool, excluded):
    return jax.vmap(draw_class)(bits, pool, excluded)


@functools.partial(jax.jit, compiler_options=QUICKLY)
def draw_large(bits, pool):
    return jax.vmap(draw_class, (0, None, None))(bits, pool, jnp.array([-1]))


def columns(cases: list[tuple]) -> list[np.ndarray]:
    """Arrays of arguments: bits first, all else integers."""
    bits, *others = zip(*cases, strict=True)
    return [np.array(bits, np.uint32), *(np.array(other, np.int32) for other in others)]


def conditional(
    widths: list[int], first: int, end: int, excluded: tuple[int, ...]
) -> tuple[list[tuple[int, int]], int]:
    """(class, first of its integers) of what is left of a range of classes, and their number."""
    cuts, start = [], 0
    for c in range(first, end):
        if c not in excluded:
            cuts.append((c, start))
            start += widths[c]
    return cuts, start


def cases_at_cuts(widths, first, end, excluded):
    """(bits, class): the patterns at both sides of each cut, and the last of all."""
    cuts, rest = conditional(widths, first, end, excluded)
    for i, (c, start) in enumerate(cuts):
        bits = -(-start * UNITS // rest)  # the first pattern at or past the cut
        yield bits, c
        if i > 0:
            yield bits - 1, cuts[i - 1][0]
    yield TOP, cuts[-1][0]


@pytest.mark.parametrize("num_excluded", range(4))
def test_draw_class_is_exact_for_every_bit_pattern(num_excluded):
    """A class owns an interval of bit patterns; its two ends are looked at, by integers.

    Class c of the R integers left over, m .. m + width - 1, must come from exactly the patterns
    with m <= bits * R / 2**32 < m + width. The drawn class never falls as bits grow past a cut,
    so that the patterns at both sides of each cut settle all 2**32. For all ranges of classes,
    and for those left out inside of them and outside.
    """
    for which, num_classes in enumerate(SIZES):
        widths, cases, expected = widths_of(TABLES[which], num_classes), [], []
        for first, end in itertools.combinations(range(num_classes + 1), 2):
            for excluded in itertools.permutations(range(num_classes), num_excluded):
                if not set(range(first, end)) <= set(excluded):
                    for bits, c in cases_at_cuts(widths, first, end, excluded):
                        cases.append((bits, first, end - first, (*excluded, -1)))
                        expected.append(c)
        if cases:
            np.testing.assert_array_equal(draw_from_table(which, cases), expected)


@pytest.mark.parametrize("guided", [True, False])
def test_draw_class_with_one_excluded_at_random_bits(guided):
    """Speed alone depends on the guide."""
    rng = np.random.default_rng(0)
    for which, num_classes in enumerate(SIZES):
        widths, cases, expected = widths_of(TABLES[which], num_classes), [], []
        for bits in rng.integers(0, UNITS, 1000).tolist():
            excluded = int(rng.integers(num_classes))
            cuts, rest = conditional(widths, 0, num_classes, (excluded,))
            cases.append((bits, 0, num_classes, (excluded, -1)))
            expected.append([c for c, first in cuts if first <= bits * rest >> 32][-1])
        np.testing.assert_array_equal(draw_from_table(which, cases, guided), expected)


@pytest.mark.parametrize("num_excluded", range(4))
def test_uniform_draws_are_exact_for_every_bit_pattern(num_excluded):
    cases = []
    for first, count in ((0, 1), (0, 5), (3, 4), (2**30 - 5, 5)):
        for excluded in itertools.permutations(range(first - 1, first + count + 1), num_excluded):
            left = [c for c in range(first, first + count) if c not in excluded]
            for i, c in enumerate(left):
                for bits in (-(-i * UNITS // len(left)), (i + 1) * UNITS // len(left) - 1):
                    if -(-i * UNITS // len(left)) <= bits < (i + 1) * UNITS // len(left):
                        cases.append((bits, first, count, [*excluded, -1], c))
    bits, first, count, excluded, expected = columns(cases)
    np.testing.assert_array_equal(
        draw_uniformly(bits, ClassDistribution(first, count), excluded), expected
    )


@pytest.mark.parametrize("zipf_exponent", [0.0, 1.0, 3.0, 5.0])
@pytest.mark.parametrize("num_classes", [2, 1600, 100_000])
def test_the_owner_of_every_integer_of_a_large_table(num_classes, zipf_exponent):
    """Owners are right at both ends of what each class owns, and wherever the guide changes."""
    thresholds = class_thresholds(zipf_weights(num_classes, zipf_exponent), 100_000)
    ends = thresholds[: num_classes - 1].astype(np.int64)
    values = np.concatenate([[0, TOP], ends, ends - 1, np.arange(1, 2**18) * 2**14])
    values = np.concatenate([values, values - 1]) % UNITS
    values = np.resize(values, 2 * (2 + 2 * 99_999 + 2**18 - 1)).astype(np.uint32)
    pool = ClassDistribution(np.int32(0), np.int32(num_classes), thresholds, make_guide(thresholds))
    expected = np.searchsorted(ends, values, side="right")
    np.testing.assert_array_equal(draw_large(values, pool), expected)


@settings(max_examples=300, deadline=None)
@given(integers, st.integers(0, 2**30), st.integers(2, 2**30), integers)
def test_uniform_draws_from_any_range_at_any_bits(bits, first, count, excluded):
    """Ranges may be as long as that of 2**30 novel classes."""
    excluded = first + excluded % count
    value = first + (bits * (count - 1) >> 32)
    bits, first, count, excluded = columns([(bits, first, count, [excluded, -1])])
    assert draw_uniformly(bits, ClassDistribution(first, count), excluded) == value + (
        value >= excluded[0, 0]
    )


# ---- distinct_below

jit_distinct_below = jax.jit(jax.vmap(distinct_below, (0, None)))


def assert_distinct(drawn: np.ndarray, bound: int) -> None:
    assert drawn.min() >= 0
    assert drawn.max() < bound
    assert (np.diff(np.sort(drawn, axis=1), axis=1) > 0).all()


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


@pytest.mark.parametrize("count", [32, 33, 128])
def test_long_orders(count):
    bits = jax.random.bits(jax.random.key(5), (4000, count), jnp.uint32)
    orders = np.asarray(jax.jit(jax.vmap(random_order))(bits))
    np.testing.assert_array_equal(np.sort(orders, axis=1), np.tile(np.arange(count), (4000, 1)))
    for item in (0, count // 2, count - 1):
        observed = np.bincount(orders[:, item], minlength=count)
        assert_same_distribution(observed, np.full(count, 1 / count))


def test_random_order_of_one():
    assert random_order(jnp.zeros(1, jnp.uint32)).tolist() == [0]


# ---- parts, chances, random bits


@pytest.mark.parametrize("whole", [1, 7, 1600, 2**20 + 1, 2**30])
@pytest.mark.parametrize("num_parts", [1, 3, 10, 512])
def test_parts_of_a_whole(num_parts, whole):
    parts = np.arange(num_parts + 1, dtype=np.int32)
    starts = start_of_part(jnp.asarray(parts), num_parts, jnp.int32(whole))
    assert starts.tolist() == [i * whole // num_parts for i in range(num_parts + 1)]


def test_what_is_certain_happens_at_any_bits():
    bits = jnp.array([0, 1, 255, 256, 2**31, TOP - 256, TOP], jnp.uint32)
    assert not happens(bits, jnp.float32(0.0)).any()
    assert happens(bits, jnp.float32(1.0)).all()


@pytest.mark.parametrize("probability", [0.001, 0.3, 0.5, 0.999])
def test_chances(probability):
    bits = jax.random.bits(jax.random.key(8), (100_000,), jnp.uint32)
    assert_proportion(happens(bits, jnp.float32(probability)).sum(), len(bits), probability)


def test_no_word_is_taken_twice():
    bits = RandomBits(jnp.arange(9, dtype=jnp.uint32))
    taken = [bits.take(), bits.take(2, 2), bits.copy().take(3), bits.take(3)]
    assert [part.shape for part in taken] == [(), (2, 2), (3,), (3,)]
    assert [part.ravel().tolist() for part in taken] == [[0], [1, 2, 3, 4], [5, 6, 7], [5, 6, 7]]
    with pytest.raises(AssertionError, match="more random bits"):
        bits.take(2)
