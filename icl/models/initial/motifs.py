"""Random graphs with second-order motifs (SONETs: Zhao et al. 2011)."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from icl.models.initial.independent import Matrix, Numbers


def motifs(key: Key[Array, ""], own: Matrix, numbers: Numbers) -> Matrix:
    """Connections where the sum of three normal numbers exceeds a threshold.

    One number belongs to the sender, one to the receiver and one to the pair.
    """
    unit_key, pair_key, self_key = jax.random.split(key, 3)
    size = own.shape[0]
    convergent, divergent, chain = (numbers[n] for n in ("convergent", "divergent", "chain"))
    # A unit's numbers as sender and as receiver have variances `divergent` and `convergent` and
    # covariance `chain`.
    first, second = jax.random.normal(unit_key, (2, size))
    shared = jnp.where(divergent > 0, chain / jnp.sqrt(jnp.maximum(divergent, 1e-30)), 0)
    senders = jnp.sqrt(divergent) * first
    receivers = shared * first + jnp.sqrt(jnp.maximum(convergent - shared**2, 0)) * second
    # A pair's two numbers, one for each direction, have the variance that is left and the
    # correlation sin(2 angle).
    rest = 1 - convergent - divergent
    angle = jnp.arcsin(jnp.clip((numbers["reciprocal"] - 2 * chain) / rest, -1, 1)) / 2
    pairs = jax.random.normal(pair_key, own.shape)
    pairs = jnp.cos(angle) * pairs + jnp.sin(angle) * pairs.T
    between = senders[:, None] + receivers + jnp.sqrt(rest) * pairs
    is_self = jnp.eye(size, dtype=bool)
    variables = jnp.where(is_self, jax.random.normal(self_key, (size,)), between)
    return _connections(variables, numbers) / jnp.sqrt(size)


def _connections(variables: Matrix, numbers: Numbers) -> Matrix:
    """1 above the threshold of the density, else 0; less the mean if `centred`. Mean square 1."""
    density = numbers["density"]
    is_there = variables > -jax.scipy.special.ndtri(density)
    centred = (is_there - density) / jnp.sqrt(density * (1 - density))
    return jnp.where(numbers["centred"], centred, is_there / jnp.sqrt(density))
