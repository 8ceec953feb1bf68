"""Initializers of independent weights, and of rotations.

An initializer maps (key, the network's own matrix, its numbers) to a matrix of the same shape.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

Matrix = Float[Array, "fan_in out"]
Numbers = dict[str, Array]


def own(key: Key[Array, ""], own: Matrix, numbers: Numbers) -> Matrix:
    """The network's own matrix."""
    return own


def gaussian(key: Key[Array, ""], own: Matrix, numbers: Numbers) -> Matrix:
    """Normal weights, not truncated."""
    return jax.random.normal(key, own.shape) / jnp.sqrt(own.shape[0])


def orthogonal(key: Key[Array, ""], own: Matrix, numbers: Numbers) -> Matrix:
    """A random matrix whose singular values are all 1 (Saxe et al. 2014)."""
    return jax.nn.initializers.orthogonal()(key, own.shape)


def log_normal(key: Key[Array, ""], own: Matrix, numbers: Numbers) -> Matrix:
    """Weights of random sign whose logarithms are normal with deviation `sigma`."""
    size_key, sign_key = jax.random.split(key)
    sigma = numbers["sigma"]
    # The mean square of exp(sigma z) is exp(2 sigma^2).
    sizes = jnp.exp(sigma * jax.random.normal(size_key, own.shape) - sigma**2)
    return jax.random.rademacher(sign_key, own.shape) * sizes / jnp.sqrt(own.shape[0])


def sparse(key: Key[Array, ""], own: Matrix, numbers: Numbers) -> Matrix:
    """Normal weights; each is nonzero with probability `density`."""
    value_key, place_key = jax.random.split(key)
    is_there = jax.random.uniform(place_key, own.shape) < numbers["density"]
    values = jax.random.normal(value_key, own.shape)
    return is_there * values / jnp.sqrt(numbers["density"] * own.shape[0])


def block(key: Key[Array, ""], own: Matrix, numbers: Numbers) -> Matrix:
    """Normal weights in `num_groups` groups of units, `contrast` times as large within a group."""
    rows, columns = (jnp.arange(size) * numbers["num_groups"] // size for size in own.shape)
    is_within = rows[:, None] == columns
    deviations = jnp.where(is_within, numbers["contrast"], 1.0)
    deviations = deviations / jnp.sqrt(jnp.mean(deviations**2))
    return deviations * jax.random.normal(key, own.shape) / jnp.sqrt(own.shape[0])
