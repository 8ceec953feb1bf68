"""Norms of arrays whose squares would overflow float32, or vanish.

Scales are powers of two, so scaling rounds nothing. Ordinary arrays have the scale 1, which leaves
their bits as they are.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

# Products of four numbers up to 2^20, summed over a million entries, stay below 2^127.
ORDINARY = 20
LARGEST = 125  # 2^-126 is the smallest normal number of float32


def scale_of(x: Float[Array, "*shape"]) -> Float[Array, ""]:
    """The power of two by which an array is to be divided before its entries are multiplied.

    It is 1 where the largest absolute entry is from 2^-20 to 2^20, and 1 for zeros.
    """
    _, exponent = jnp.frexp(jnp.max(jnp.abs(x)))
    is_ordinary = jnp.abs(exponent) <= ORDINARY
    exponent = jnp.where(is_ordinary, 0, jnp.clip(exponent, -LARGEST, LARGEST))
    return jnp.ldexp(jnp.ones((), x.dtype), exponent)


def norm(x: Float[Array, "*shape"]) -> Float[Array, ""]:
    """Frobenius norm, from the smallest to the largest float32."""
    scale = scale_of(x)
    return scale * jnp.linalg.norm(x / scale)
