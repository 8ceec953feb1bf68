"""Random bits of a sequence, and exact draws from them: integers, events and orders."""

import math

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, UInt32


class RandomBits:
    """The random bits of one sequence, as 32-bit integers, handed out in order, each once.

    Families take these instead of a key: one call of the generator for a whole batch compiles
    several times faster than a dozen calls within each sequence, and runs faster.
    """

    def __init__(self, integers: UInt32[Array, " integer"]):
        self.integers, self.used = integers, 0

    def take(self, *shape: int) -> UInt32[Array, "*shape"]:
        """Hand out the next integers, as an array of this shape."""
        start = self.used
        self.used += math.prod(shape)
        assert self.used <= len(self.integers), "more random bits taken than were drawn"
        return self.integers[start : self.used].reshape(shape)

    def copy(self) -> "RandomBits":
        """The same bits again, for alternatives of which only one is kept."""
        other = RandomBits(self.integers)
        other.used = self.used
        return other


MAX_RANKED = 32  # longer orders are sorted


def uniform_below(
    bits: UInt32[Array, "*shape"], bound: Int[Array, "..."] | UInt32[Array, "..."] | int
) -> UInt32[Array, "*shape"]:
    """Integers uniform on [0, bound): floor(bits * bound / 2**32).

    Each value's probability is exact to 2**-32. This is the upper half of a 32 x 32 bit product,
    computed from 16-bit halves.
    """
    bound = jnp.asarray(bound, jnp.uint32)
    bits_high, bits_low = bits >> 16, bits & 0xFFFF
    bound_high, bound_low = bound >> 16, bound & 0xFFFF
    middle = bits_high * bound_low + ((bits_low * bound_low) >> 16)
    carry = bits_low * bound_high + (middle & 0xFFFF)
    return bits_high * bound_high + (middle >> 16) + (carry >> 16)


def start_of_part(
    part: Int[Array, "*shape"], num_parts: Int[Array, ""] | int, whole: Int[Array, ""]
) -> Int[Array, "*shape"]:
    """floor(part * whole / num_parts), without overflow of 32 bits."""
    return part * (whole // num_parts) + part * (whole % num_parts) // num_parts


def happens(bits: UInt32[Array, "..."], probability: Float[Array, "..."]) -> Bool[Array, "..."]:
    """True with this probability, to a multiple of 2**-24; exact at 0 and 1."""
    return (bits >> 8).astype(jnp.float32) < probability * 2.0**24


def random_order(bits: UInt32[Array, " count"]) -> Int[Array, " count"]:
    """A uniform random permutation of 0 .. count - 1, up to ties between random numbers.

    Few numbers are ranked by comparing all pairs, which is faster than XLA's sort on a CPU.
    """
    if len(bits) > MAX_RANKED:
        return jnp.argsort(bits).astype(jnp.int32)
    index = jnp.arange(len(bits))
    before = (bits[None] < bits[:, None]) | (
        (bits[None] == bits[:, None]) & (index[None] < index[:, None])
    )
    return jnp.sum(before, axis=1, dtype=jnp.int32)
