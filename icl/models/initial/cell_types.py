"""Initializers by cell type: each unit excites or inhibits, or is of one of several cell types."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from icl.models.initial.independent import Matrix, Numbers


def dale(key: Key[Array, ""], own: Matrix, numbers: Numbers) -> Matrix:
    """All weights from a unit have the same sign (Dale's law).

    fraction: share of excitatory units. balanced: whether inhibition is so much stronger that
    excitation and inhibition cancel on average.
    """
    fan_in = own.shape[0]
    signs = unit_signs(fan_in, numbers["fraction"])
    num_excitatory, num_inhibitory = jnp.sum(signs > 0), jnp.sum(signs < 0)
    inhibition = jnp.where(numbers["balanced"], num_excitatory / num_inhibitory, 1.0)
    factors = jnp.where(signs > 0, 1.0, -inhibition)
    factors = factors / jnp.linalg.norm(factors)
    return factors[:, None] * jnp.abs(jax.random.normal(key, own.shape))


def unit_signs(fan_in: int, fraction: Float[Array, ""]) -> Float[Array, " fan_in"]:
    """1 for excitatory units, which come first, -1 for inhibitory ones; both kinds have a unit."""
    count = jnp.clip(jnp.round(fraction * fan_in), 1, max(fan_in - 1, 1))
    return jnp.where(jnp.arange(fan_in) < count, 1.0, -1.0)


def keep_signs(weights: Matrix, signs: Float[Array, "fan_in #out"]) -> Matrix:
    """Weights with 0 in place of those of the wrong sign, to keep Dale's law while learning.

    This is the closest matrix of these signs. Applied after each step of gradient descent it gives
    projected gradient descent (as in Song, Yang and Wang 2016). A sign of 0 leaves weights free.

    signs: of units, [fan_in, 1], or of single weights, such as those of the initial matrix.
    """
    return jnp.where(weights * signs < 0, 0, weights)


def cell_types(key: Key[Array, ""], own: Matrix, numbers: Numbers) -> Matrix:
    """Connections with probabilities and strengths by the types of both units, from tables."""
    size_key, place_key = jax.random.split(key)
    rows, columns = (_types(numbers["fractions"], size) for size in own.shape)
    probabilities = numbers["probabilities"][rows][:, columns]
    strengths = numbers["strengths"][rows][:, columns]
    is_there = jax.random.uniform(place_key, own.shape) < probabilities
    sigma = numbers["sigma"]
    sizes = jnp.exp(sigma * jax.random.normal(size_key, own.shape) - sigma**2)
    mean_square = jnp.mean(probabilities * strengths**2)
    # The mean square is 0 if every connection belongs to types too rare to have a unit.
    scale = jnp.where(mean_square > 0, jax.lax.rsqrt(mean_square * own.shape[0]), 0.0)
    return is_there * strengths * sizes * scale


def _types(fractions: Float[Array, " type"], count: int) -> Int[Array, " unit"]:
    """The type of each unit: types in order, with counts as close to the shares as possible."""
    ends = jnp.cumsum(fractions)
    places = (jnp.arange(count) + 0.5) / count * ends[-1]
    return jnp.minimum(jnp.searchsorted(ends, places, side="right"), len(fractions) - 1)
