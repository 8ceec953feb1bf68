"""Which classes are drawn: uniform or Zipfian, with or without classes left out; exactly.

A distribution over classes is a table of cumulative probabilities in units of 2**-32, so that
a class is found from 32 random bits by a binary search over integers: no rounding of floats,
and a cost that hardly grows with the number of classes. Class 0 is the rarest, as in the code
of Chan et al. 2022, so that its label is not also the commonest answer.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, UInt32


def class_thresholds(
    num_classes: int, zipf_exponent: float, capacity: int
) -> UInt32[np.ndarray, " capacity"]:
    """Cumulative probabilities of classes 0 .. num_classes - 1, padded to `capacity` entries.

    Class j has weight (num_classes - j) ** -zipf_exponent and owns the integers from entry
    j - 1 (or 0) up to, not including, entry j; the last class all the rest below 2**32. Every
    class keeps at least one integer, so that distinct classes can always be found.
    """
    weights = np.arange(num_classes, 0, -1, dtype=np.float64) ** -zipf_exponent
    cumulative = np.cumsum(weights)[:-1] / weights.sum()
    index = np.arange(num_classes - 1)
    counts = np.round(cumulative * 2.0**32).astype(np.int64)
    counts = np.maximum.accumulate(np.maximum(counts, 1) - index) + index
    thresholds = np.full(capacity, 2**32 - 1, np.uint32)
    thresholds[: num_classes - 1] = counts
    return thresholds


def uniform_below(
    bits: UInt32[Array, "*shape"], bound: Int[Array, "..."] | UInt32[Array, "..."] | int
) -> UInt32[Array, "*shape"]:
    """floor(bits * bound / 2**32): uniform on [0, bound), each value within 2**-32.

    The upper half of a 32 x 32 bit product, put together from 16-bit halves.
    """
    bound = jnp.asarray(bound, jnp.uint32)
    bits_high, bits_low = bits >> 16, bits & 0xFFFF
    bound_high, bound_low = bound >> 16, bound & 0xFFFF
    middle = bits_high * bound_low + ((bits_low * bound_low) >> 16)
    carry = bits_low * bound_high + (middle & 0xFFFF)
    return bits_high * bound_high + (middle >> 16) + (carry >> 16)


def draw_class(
    bits: UInt32[Array, ""],
    thresholds: UInt32[Array, " class"],
    num_classes: Int[Array, ""],
    excluded: Int[Array, " k"],
) -> Int[Array, ""]:
    """One class from 32 random bits, not in `excluded`: distinct classes, and -1 for none.

    The conditional distribution is exact: the integers owned by excluded classes are cut out,
    a uniform integer is drawn from what is left, and then moved past the cuts before it.
    """
    start = jnp.where(excluded <= 0, 0, thresholds[excluded - 1]).astype(jnp.uint32)
    # 2**32 is 0 in this arithmetic: the widths below and their sum's complement come out right.
    end = jnp.where(excluded == num_classes - 1, 0, thresholds[excluded]).astype(jnp.uint32)
    width = jnp.where(excluded < 0, 0, end - start).astype(jnp.uint32)
    cut_before = jnp.sum(jnp.where(start[None] < start[:, None], width[None], 0), axis=1)
    total = jnp.sum(width).astype(jnp.uint32)
    rest = jnp.where(total == 0, bits, uniform_below(bits, jnp.uint32(0) - total))
    is_before = rest >= start - cut_before.astype(jnp.uint32)
    value = rest + jnp.sum(jnp.where(is_before, width, 0)).astype(jnp.uint32)
    # "scan_unrolled" would run a little faster and compile five times slower.
    index = jnp.searchsorted(thresholds, value, side="right", method="scan")
    return jnp.minimum(index.astype(jnp.int32), num_classes - 1)


NONE = jnp.full(1, -1)  # excluded by a draw that excludes nothing


def draw_classes(
    bits: UInt32[Array, " count"],
    thresholds: UInt32[Array, " class"],
    num_classes: Int[Array, ""],
    distinct: bool,
) -> Int[Array, " count"]:
    """Classes: one after another without replacement if `distinct`, else independent.

    Either way the first is distributed as the table says.
    """
    if not distinct:
        return jax.vmap(draw_class, (0, None, None, None))(bits, thresholds, num_classes, NONE)

    def draw_next(i: Array, drawn: Array) -> Array:
        return drawn.at[i].set(draw_class(bits[i], thresholds, num_classes, drawn))

    return jax.lax.fori_loop(0, len(bits), draw_next, jnp.full(len(bits), -1, jnp.int32))


def distinct_below(bits: UInt32[Array, " count"], bound: Int[Array, ""] | int) -> Array:
    """Integers in [0, bound), one after another without replacement; [count].

    Those beyond the first `bound`, if any, are drawn as if nothing had been drawn before.
    """
    index = jnp.arange(len(bits))

    def draw_next(i: Array, drawn: Array) -> Array:
        left = jnp.where(i < bound, bound - i, bound)
        rest = uniform_below(bits[i], left).astype(jnp.int32)
        is_drawn = (index < i) & (i < bound)
        rank = jnp.sum(is_drawn[None] & (drawn[None] < drawn[:, None]), axis=1)
        return drawn.at[i].set(rest + jnp.sum(is_drawn & (rest >= drawn - rank)))

    return jax.lax.fori_loop(0, len(bits), draw_next, jnp.zeros(len(bits), jnp.int32))


def random_order(bits: UInt32[Array, " count"]) -> Int[Array, " count"]:
    """A uniform random permutation of 0 .. count - 1: the ranks of random numbers.

    Comparing all pairs is faster than XLA's sort on CPU for the short contexts used here.
    """
    index = jnp.arange(len(bits))
    before = (bits[None] < bits[:, None]) | (
        (bits[None] == bits[:, None]) & (index[None] < index[:, None])
    )
    return jnp.sum(before, axis=1, dtype=jnp.int32)
