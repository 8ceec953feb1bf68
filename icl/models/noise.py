"""Noise that a network adds to its inputs, drawn from the bits of each sequence."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Key, UInt32

SHIFT, DROPOUT = 0, 1  # folded into the keys, so that each has its own


class Shift(nnx.Module):
    """Moves each image by up to `max_shift` pixels each way; pixels that come in are empty.

    Acts in training only: `train` and `eval` of nnx set `deterministic`.
    """

    def __init__(self, max_shift: int):
        self.max_shift = max_shift
        self.deterministic = True

    def __call__(
        self, images: Float[Array, "batch item h w *c"], bits: UInt32[Array, " batch"] | None
    ) -> Float[Array, "batch item h w *c"]:
        if self.deterministic or bits is None:
            return images
        most, (_, items, *size) = self.max_shift, images.shape
        channel = ((0, 0),) * (len(size) - 2)
        padded = jnp.pad(images, ((0, 0), (0, 0), (most, most), (most, most), *channel))
        keys = _keys(bits, SHIFT)
        starts = jax.vmap(lambda key: jax.random.randint(key, (items, 2), 0, 2 * most + 1))(keys)

        def cut(image: Array, start: Array) -> Array:
            return jax.lax.dynamic_slice(image, (*start, *(0 for _ in channel)), size)

        return jax.vmap(jax.vmap(cut))(padded, starts)


def drop(
    embedded: Float[Array, "batch item width"], bits: UInt32[Array, " batch"] | None, p: float
) -> Float[Array, "batch item width"]:
    """Dropout: each number is 0 with probability p, otherwise divided by 1 - p."""
    if not p or bits is None:
        return embedded
    shape = embedded.shape[1:]
    kept = jax.vmap(lambda key: jax.random.bernoulli(key, 1 - p, shape))(_keys(bits, DROPOUT))
    return jnp.where(kept, embedded / (1 - p), 0)


def _keys(bits: UInt32[Array, " batch"], use: int) -> Key[Array, " batch"]:
    def key(word: Array) -> Key[Array, ""]:
        return jax.random.fold_in(jax.random.key(word, impl="threefry2x32"), use)

    return jax.vmap(key)(bits)
