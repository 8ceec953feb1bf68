"""Which classes are drawn: uniform or Zipfian, with or without classes left out; exactly.

A distribution over classes is a table of cumulative probabilities in units of 2**-32, so that
a class is found from 32 random bits by a binary search over integers: no rounding of floats,
and a cost that hardly grows with the number of classes. Class 0 is the commonest, so that which
classes are common does not depend on how many there are.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, UInt32

from icl.data.bits import uniform_below
from icl.types import ClassDistribution

PADDING = np.uint32(2**32 - 1)
GUIDE_SHIFT = 14


def class_thresholds(
    num_classes: int, zipf_exponent: float, capacity: int
) -> UInt32[np.ndarray, " capacity"]:
    """Cumulative probabilities of classes 0 .. num_classes - 1, padded to `capacity` entries.

    Class j has weight (j + 1) ** -zipf_exponent and owns the integers from entry j - 1 (or 0)
    up to, not including, entry j; the last class all the rest below 2**32. Every class keeps at
    least one integer, so that distinct classes can always be found, and the last class two, so
    that no entry but its own is 2**32 - 1; they are taken from the commonest class.
    """
    weights = np.arange(1, num_classes + 1, dtype=np.float64) ** -zipf_exponent
    # What is left to the classes behind: small numbers are summed first.
    behind = np.cumsum(weights[:0:-1])[::-1] / weights.sum()
    ends = 2**32 - np.floor(behind * 2.0**32 + 0.5).astype(np.int64)
    widths = np.maximum(np.diff(ends, prepend=0, append=2**32), 1)
    widths[-1] = max(widths[-1], 2)
    widths[0] -= widths.sum() - 2**32
    thresholds = np.full(capacity, PADDING, np.uint32)
    thresholds[: num_classes - 1] = np.cumsum(widths)[:-1]
    return thresholds


class Cuts(NamedTuple):
    """Intervals of integers cut out of a pool's, one for each class that is not to be drawn.

    start, width: modulo 2**32, counted from the pool's first integer; width 0 cuts nothing.
    before: how much is cut out before each.
    """

    start: UInt32[Array, " k"]
    width: UInt32[Array, " k"]
    before: UInt32[Array, " k"]


def _no_cuts(count: int) -> Cuts:
    return Cuts(*jnp.zeros((3, count), jnp.uint32))


def _cut(
    cuts: Cuts, i: int | Int[Array, ""], pool: ClassDistribution, class_index: Int[Array, ""]
) -> Cuts:
    """With the integers of one more class cut out as number `i`, if the pool has it, and once."""
    is_in = (class_index >= pool.first) & (class_index - pool.first < pool.size)
    begin = _start_of(pool, class_index)
    start = begin - _start_of(pool, pool.first)
    is_cut = jnp.any((cuts.start == start) & (cuts.width > 0))
    width = jnp.where(is_in & ~is_cut, _end_of(pool, class_index) - begin, 0)
    before = jnp.sum(jnp.where(cuts.start < start, cuts.width, 0), dtype=jnp.uint32)
    moved = jnp.where(cuts.start > start, cuts.before + width, cuts.before)
    return Cuts(cuts.start.at[i].set(start), cuts.width.at[i].set(width), moved.at[i].set(before))


def _start_of(pool: ClassDistribution, class_index: Int[Array, ""]) -> UInt32[Array, ""]:
    """The first integer that a class owns: its own number where the pool is uniform."""
    if pool.thresholds is None:
        return class_index.astype(jnp.uint32)
    return jnp.where(class_index <= 0, 0, pool.thresholds[class_index - 1]).astype(jnp.uint32)


def _end_of(pool: ClassDistribution, class_index: Int[Array, ""]) -> UInt32[Array, ""]:
    """After the last integer that a class owns; 2**32 is 0."""
    if pool.thresholds is None:
        return class_index.astype(jnp.uint32) + 1
    # The last class's entry is the padding, 2**32 - 1, but its integers end at 2**32.
    end = pool.thresholds[class_index]
    return end + (end == PADDING)


def _draw(bits: UInt32[Array, ""], pool: ClassDistribution, cuts: Cuts) -> Int[Array, ""]:
    """A class from 32 random bits, as the pool says given that it is none of those cut out.

    The conditional distribution is exact: a uniform integer is drawn from what the cuts leave,
    and then moved past the cuts before it. Of a uniform pool of which nothing is left, as if
    nothing had been cut out.
    """
    begin = _start_of(pool, pool.first)
    whole = _end_of(pool, pool.first + pool.size - 1) - begin
    left = whole - jnp.sum(cuts.width, dtype=jnp.uint32)
    if pool.thresholds is None:
        is_empty = left == 0
        left = jnp.where(is_empty, whole, left)
        width = jnp.where(is_empty, 0, cuts.width)
        before = jnp.where(is_empty, 0, cuts.before)
    else:  # 0 is 2**32: a class of a table is never the last
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

    A binary search between the bounds that the guide gives: a step or two whatever the number
    of classes, where a search of the whole table would take more and more of them.
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
    """For every 2**GUIDE_SHIFT-th integer, the class that owns it; then the last class.

    The first look-up of Chen and Asau 1974's guide-table method.
    """
    last = int(np.argmax(thresholds == PADDING))
    integers = np.arange(0, 2**32, 2**GUIDE_SHIFT, dtype=np.uint64).astype(np.uint32)
    owners = np.searchsorted(thresholds, integers, side="right")
    return np.append(np.minimum(owners, last), last).astype(np.int32)


def draw_classes(
    bits: UInt32[Array, " count"], pool: ClassDistribution, excluded: Int[Array, " k"] | None = None
) -> Int[Array, " count"]:
    """Classes one after another, none of them twice and none of those excluded (if not -1).

    The first is distributed as the pool says, given that it is not excluded. Once all classes of a
    uniform pool have been drawn, further ones are drawn as if none had been.
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
    """Classes regardless of each other, none of those excluded."""
    cuts = _no_cuts(0 if excluded is None else len(excluded))
    if excluded is not None:
        cuts = _exclude(cuts, pool, excluded)
    return jax.vmap(_draw, (0, None, None))(bits, pool, cuts)


def _exclude(cuts: Cuts, pool: ClassDistribution, excluded: Int[Array, " k"]) -> Cuts:
    return jax.lax.fori_loop(
        0, len(excluded), lambda i, cuts: _cut(cuts, i, pool, excluded[i]), cuts
    )


def distinct_below(bits: UInt32[Array, " count"], bound: Int[Array, ""] | int) -> Array:
    """Integers in [0, bound), one after another without replacement; [count].

    Those beyond the first `bound`, if any, are drawn as if nothing had been drawn before.
    """
    return draw_classes(bits, ClassDistribution(jnp.int32(0), jnp.asarray(bound, jnp.int32)))


def distinct_within(
    bits: UInt32[Array, " item"], groups: Int[Array, " item"], bound: Int[Array, ""]
) -> Int[Array, " item"]:
    """Integers in [0, bound), of which those of one group all differ.

    Those beyond the first `bound` of a group, if any, are drawn as if there were no others.
    """
    index = jnp.arange(len(bits))

    def draw_next(i: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        drawn, before = state  # before: smaller ones of the group than each
        taken = (groups == groups[i]) & (index < i)
        taken = taken & (jnp.sum(taken) < bound)
        rest = uniform_below(bits[i], bound - jnp.sum(taken)).astype(jnp.int32)
        new = rest + jnp.sum(taken & (rest >= drawn - before), dtype=jnp.int32)
        moved = jnp.where(taken & (drawn > new), before + 1, before)
        smaller = jnp.sum(taken & (drawn < new), dtype=jnp.int32)
        return drawn.at[i].set(new), moved.at[i].set(smaller)

    empty = jnp.zeros(len(bits), jnp.int32)
    return jax.lax.fori_loop(0, len(bits), draw_next, (empty, empty))[0]
