"""Exact draws of classes: uniform or by a table, with or without some classes excluded.

A distribution over classes is a table of cumulative probabilities in units of 2**-32. A binary
search over integers finds a class from 32 random bits: floats are never rounded, and the cost
hardly grows with the number of classes. Class 0 is the commonest, so that which classes are
common does not depend on how many there are.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float64, Int, UInt32

from icl.data.bits import uniform_below
from icl.types import ClassDistribution

PADDING = np.uint32(2**32 - 1)
GUIDE_SHIFT = 14


def class_thresholds(
    weights: Float64[np.ndarray, " num_classes"], capacity: int
) -> UInt32[np.ndarray, " capacity"]:
    """Cumulative probabilities of classes 0 .. num_classes - 1, padded to `capacity` entries.

    Class j owns the integers from entry j - 1 (or 0) up to, not including, entry j; the last class
    owns all the rest below 2**32. Every class owns at least one integer, so that distinct classes
    can always be found, and the last class two, so that only its own entry is 2**32 - 1. These
    integers are taken from the commonest class.

    weights: of the classes, largest first. If some are below 2**-32 of their sum, the first must
        have room for them, as in Zipf's law.
    """
    # The share of all later classes. Small numbers are summed first.
    behind = np.cumsum(weights[:0:-1])[::-1] / weights.sum()
    ends = 2**32 - np.floor(behind * 2.0**32 + 0.5).astype(np.int64)
    widths = np.maximum(np.diff(ends, prepend=0, append=2**32), 1)
    widths[-1] = max(widths[-1], 2)
    widths[0] -= widths.sum() - 2**32
    thresholds = np.full(capacity, PADDING, np.uint32)
    thresholds[: len(weights) - 1] = np.cumsum(widths)[:-1]
    return thresholds


class Cuts(NamedTuple):
    """Intervals cut out of a pool's integers, one for each excluded class.

    start, width: modulo 2**32, counted from the pool's first integer; width 0 cuts nothing.
    before: number of integers cut out before each interval.
    """

    start: UInt32[Array, " k"]
    width: UInt32[Array, " k"]
    before: UInt32[Array, " k"]


def _no_cuts(count: int) -> Cuts:
    return Cuts(*jnp.zeros((3, count), jnp.uint32))


def _cut(
    cuts: Cuts, i: int | Int[Array, ""], pool: ClassDistribution, class_index: Int[Array, ""]
) -> Cuts:
    """Cut out one more class's integers, as interval `i`, if the pool holds them still."""
    is_in = (class_index >= pool.first) & (class_index - pool.first < pool.size)
    begin = _start_of(pool, class_index)
    start = begin - _start_of(pool, pool.first)
    is_cut = jnp.any((cuts.start == start) & (cuts.width > 0))
    width = jnp.where(is_in & ~is_cut, _end_of(pool, class_index) - begin, 0)
    before = jnp.sum(jnp.where(cuts.start < start, cuts.width, 0), dtype=jnp.uint32)
    moved = jnp.where(cuts.start > start, cuts.before + width, cuts.before)
    return Cuts(cuts.start.at[i].set(start), cuts.width.at[i].set(width), moved.at[i].set(before))


def _start_of(pool: ClassDistribution, class_index: Int[Array, ""]) -> UInt32[Array, ""]:
    """The first integer that a class owns. In a uniform pool it is the class's own number."""
    if pool.thresholds is None:
        return class_index.astype(jnp.uint32)
    return jnp.where(class_index <= 0, 0, pool.thresholds[class_index - 1]).astype(jnp.uint32)


def _end_of(pool: ClassDistribution, class_index: Int[Array, ""]) -> UInt32[Array, ""]:
    """One more than the last integer that a class owns; 2**32 is 0."""
    if pool.thresholds is None:
        return class_index.astype(jnp.uint32) + 1
    # The last class's entry is the padding, 2**32 - 1, but its integers end at 2**32.
    end = pool.thresholds[class_index]
    return end + (end == PADDING)


def _draw(bits: UInt32[Array, ""], pool: ClassDistribution, cuts: Cuts) -> Int[Array, ""]:
    """A class of the pool from 32 random bits, given that it is not cut out.

    The conditional distribution is exact: a uniform integer is drawn from what the cuts leave,
    and then moved past the cuts before it. If nothing is left of a uniform pool, the cuts are
    ignored.
    """
    begin = _start_of(pool, pool.first)
    whole = _end_of(pool, pool.first + pool.size - 1) - begin
    left = whole - jnp.sum(cuts.width, dtype=jnp.uint32)
    if pool.thresholds is None:
        is_empty = left == 0
        left = jnp.where(is_empty, whole, left)
        width = jnp.where(is_empty, 0, cuts.width)
        before = jnp.where(is_empty, 0, cuts.before)
    else:  # 0 stands for 2**32: the cuts never take all of a table
        width, before = cuts.width, cuts.before
    rest = jnp.where(left == 0, bits, uniform_below(bits, left))
    is_before = rest >= cuts.start - before
    value = begin + rest + jnp.sum(jnp.where(is_before, width, 0), dtype=jnp.uint32)
    if pool.thresholds is None:
        return value.astype(jnp.int32)
    return jnp.minimum(_owner(pool.thresholds, pool.guide, value), pool.first + pool.size - 1)


def _owner(
    thresholds: UInt32[Array, " class"],
    guide: Int[Array, " bucket"] | None,
    value: UInt32[Array, ""],
) -> Int[Array, ""]:
    """The class that owns an integer: the first whose entry is above it.

    The guide gives bounds for a binary search, which then takes a step or two for any number of
    classes. A search of the whole table would take one more step with every doubling.
    """
    if guide is None:
        bounds = jnp.int32(0), jnp.int32(len(thresholds) - 1)
    else:
        bucket = (value >> GUIDE_SHIFT).astype(jnp.int32)
        bounds = guide[bucket], guide[bucket + 1]

    def halve(bounds: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bounds
        middle = (low + high) // 2
        is_above = thresholds[middle] > value
        return (
            jnp.where(is_above | (low == high), low, middle + 1),
            jnp.where(is_above, middle, high),
        )

    return jax.lax.while_loop(lambda bounds: bounds[0] < bounds[1], halve, bounds)[0]


def make_guide(thresholds: UInt32[np.ndarray, " class"]) -> Int[np.ndarray, " bucket"]:
    """The owner of every 2**GUIDE_SHIFT-th integer, then the last class.

    This is the first look-up of the guide-table method (Chen and Asau 1974).
    """
    last = int(np.argmax(thresholds == PADDING))
    integers = np.arange(0, 2**32, 2**GUIDE_SHIFT, dtype=np.uint64).astype(np.uint32)
    owners = np.searchsorted(thresholds, integers, side="right")
    return np.append(np.minimum(owners, last), last).astype(np.int32)


def draw_classes(
    bits: UInt32[Array, " count"], pool: ClassDistribution, excluded: Int[Array, " k"] | None = None
) -> Int[Array, " count"]:
    """Draw distinct classes one after another, leaving out those excluded (-1 excludes nothing).

    Each has the pool's distribution, given that it is neither excluded nor drawn before. Once all
    classes of a uniform pool have been drawn, later ones are drawn as if none had been.
    """
    if len(bits) == 0:
        return jnp.zeros(0, jnp.int32)
    num_excluded = 0 if excluded is None else len(excluded)
    cuts = _no_cuts(num_excluded + len(bits))
    if excluded is not None:
        cuts = _exclude(cuts, pool, excluded)

    def draw_next(i: Array, state: tuple[Array, Cuts]) -> tuple[Array, Cuts]:
        drawn, cuts = state
        new = _draw(bits[i], pool, cuts)
        return drawn.at[i].set(new), _cut(cuts, num_excluded + i, pool, new)

    empty = jnp.zeros(len(bits), jnp.int32)
    return jax.lax.fori_loop(0, len(bits), draw_next, (empty, cuts))[0]


def draw_independent_classes(
    bits: UInt32[Array, " count"], pool: ClassDistribution, excluded: Int[Array, " k"] | None = None
) -> Int[Array, " count"]:
    """Draw classes independently of each other, leaving out those excluded."""
    cuts = _no_cuts(0 if excluded is None else len(excluded))
    if excluded is not None:
        cuts = _exclude(cuts, pool, excluded)
    return jax.vmap(_draw, (0, None, None))(bits, pool, cuts)


def _exclude(cuts: Cuts, pool: ClassDistribution, excluded: Int[Array, " k"]) -> Cuts:
    return jax.lax.fori_loop(
        0, len(excluded), lambda i, cuts: _cut(cuts, i, pool, excluded[i]), cuts
    )


def distinct_below(bits: UInt32[Array, " count"], bound: Int[Array, ""] | int) -> Array:
    """Integers in [0, bound), drawn one after another without replacement; [count].

    After the first `bound`, further ones are drawn as if nothing had been drawn before.
    """
    return draw_classes(bits, ClassDistribution(jnp.int32(0), jnp.asarray(bound, jnp.int32)))


def distinct_within(
    bits: UInt32[Array, " item"], groups: Int[Array, " item"], bound: Int[Array, "*item"]
) -> Int[Array, " item"]:
    """Integers in [0, bound) that differ within each group.

    After the first `bound` of a group, further ones are drawn as if there were no others.

    bound: one for all, or one for each item, equal within a group.
    """
    index = jnp.arange(len(bits))

    def draw_next(i: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        drawn, before = state  # before: how many of the group are smaller than each
        own = bound[i] if bound.ndim else bound
        taken = (groups == groups[i]) & (index < i)
        taken = taken & (jnp.sum(taken) < own)
        rest = uniform_below(bits[i], own - jnp.sum(taken)).astype(jnp.int32)
        new = rest + jnp.sum(taken & (rest >= drawn - before), dtype=jnp.int32)
        moved = jnp.where(taken & (drawn > new), before + 1, before)
        smaller = jnp.sum(taken & (drawn < new), dtype=jnp.int32)
        return drawn.at[i].set(new), moved.at[i].set(smaller)

    empty = jnp.zeros(len(bits), jnp.int32)
    return jax.lax.fori_loop(0, len(bits), draw_next, (empty, empty))[0]
