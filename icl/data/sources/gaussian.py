"""Gaussian classes with exemplars without end (Reddy 2023, arXiv 2312.03002)."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from icl.config.sources import GaussianSource
from icl.types import ExemplarMaker


def make_gaussian(source: GaussianSource) -> ExemplarMaker:
    """Make vectors, float32 `[dim]`, of mean square 1 / dim whatever the spread.

    The mean of class c is mu ~ N(0, I / dim), a function of (seed, c) alone; its exemplar e is
    (mu + spread * eta) / sqrt(1 + spread^2), where eta ~ N(0, I / dim) is a function of
    (seed, c, e) alone. Two exemplars of a class have a cosine of about 1 / (1 + spread^2).
    """

    def make(class_index: Int[Array, ""], exemplar_index: Int[Array, ""]) -> Float[Array, " dim"]:
        # Threefry is named because another default generator would make other classes.
        key = jax.random.fold_in(jax.random.key(source.seed, impl="threefry2x32"), class_index)
        # Number 0 of a class is for its mean, the others are for its exemplars. One call of the
        # generator serves both, because each call takes long to compile.
        numbers = jnp.stack([jnp.zeros_like(exemplar_index), exemplar_index + 1])
        keys = jax.vmap(jax.random.fold_in, (None, 0))(key, numbers)
        mean, eta = jax.vmap(lambda key: jax.random.normal(key, (source.dim,)))(keys)
        scale = 1 / math.sqrt(source.dim * (1 + source.spread**2))
        return scale * (mean + source.spread * eta)

    return ExemplarMaker(make, source.num_classes, source.num_exemplars)
