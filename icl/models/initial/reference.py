"""Initializers that start from a given matrix, or from a matrix partly aligned with it."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from icl.models.initial.independent import Matrix, Numbers
from icl.models.scales import norm


def from_file(key: Key[Array, ""], own: Matrix, numbers: Numbers) -> Matrix:
    """The matrix of the file, as it is."""
    return numbers["matrix"]


def aligned(key: Key[Array, ""], own: Matrix, numbers: Numbers) -> Matrix:
    """Leading singular vectors of a reference, each turned towards a random direction.

    A left and a right vector each keep a cosine of about sqrt(alignment) with their own, so that
    the expected cosine of the whole matrix with the reference is `alignment`.
    """
    left_key, right_key = jax.random.split(key)
    left, values, right = jnp.linalg.svd(numbers["matrix"], full_matrices=False)
    if "rank" in numbers:
        values = jnp.where(jnp.arange(len(values)) < numbers["rank"], values, 0)
    alignment = numbers["alignment"]

    def turned(key: Key[Array, ""], vectors: Matrix) -> Matrix:
        random = jax.nn.initializers.orthogonal()(key, vectors.shape)
        return jnp.sqrt(alignment) * vectors + jnp.sqrt(1 - alignment) * random

    matrix = (turned(left_key, left) * values) @ turned(right_key, right.T).T
    size = norm(matrix)
    return matrix * jnp.where(size > 0, jnp.sqrt(own.shape[1]) / size, 0)
