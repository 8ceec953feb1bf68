"""Matrices scaled to the norm or the spectral radius of a gaussian one.

Everything is computed by products, so that it runs on any device: XLA has eigenvalues of general
matrices on the CPU only.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from icl.models.initial.independent import Matrix
from icl.models.scales import norm

SQUARINGS = 20  # the norm of a matrix's millionth power gives its spectral radius to some 1e-5
NEGLIGIBLE = 1e-3  # relative to a gaussian matrix of the same norm; less counts as 0


def match_gaussian(matrix: Matrix, match: str, gain: Float[Array, ""]) -> Matrix:
    """A matrix scaled to have the statistic `match` of a large gaussian matrix of this gain.

    match: `norm`, Frobenius, becomes sqrt(out) * gain. `spectral_radius` becomes the gain (the
        circular law, Girko 1985), and so does `leading_eigenvalue`, the largest real part. `none`
        changes nothing. A matrix whose statistic is 0, or whose leading eigenvalue is not
        positive, stays as it is.
    """
    if match == "none":
        return matrix
    size = norm(matrix) / jnp.sqrt(matrix.shape[1])  # the gain of a gaussian matrix of this norm
    if match == "norm":
        own = size
    else:
        own = spectral_radius(matrix) if match == "spectral_radius" else spectral_abscissa(matrix)
    is_something = own > NEGLIGIBLE * size
    return matrix * jnp.where(is_something, gain / jnp.where(is_something, own, 1), 1)


def spectral_radius(matrix: Float[Array, "unit unit"]) -> Float[Array, ""]:
    """The largest absolute eigenvalue: lim |A^n|^(1/n) (Gelfand 1941), at n = 2^SQUARINGS."""

    def square(state: tuple[Array, Array], weight: Array) -> tuple[tuple[Array, Array], None]:
        power, log_radius = state
        power, log_norm = _normalised(jnp.matmul(power, power, precision="highest"))
        return (power, log_radius + weight * log_norm), None

    weights = 0.5 ** jnp.arange(1, SQUARINGS + 1)
    (_, log_radius), _ = jax.lax.scan(square, _normalised(matrix), weights)
    return jnp.exp(log_radius)


def spectral_abscissa(matrix: Float[Array, "unit unit"]) -> Float[Array, ""]:
    """The largest real part of an eigenvalue: the logarithm of the spectral radius of exp(A)."""
    radius = spectral_radius(matrix)
    scale = jnp.where(radius > 0, radius, 1)
    with jax.default_matmul_precision("highest"):
        exponential = jax.scipy.linalg.expm(matrix / scale)
    return scale * jnp.log(spectral_radius(exponential))


def _normalised(matrix: Array) -> tuple[Array, Array]:
    """A matrix scaled to norm 1, and the logarithm of its norm; zeros stay zeros."""
    size = norm(matrix)
    return matrix / jnp.where(size > 0, size, 1), jnp.log(size)
