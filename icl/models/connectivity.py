"""Initial connectivity: the weight matrices of a network replaced before the first step.

Everything but the law is traced: one program serves all gains, ranks and densities.
"""

import re
import zlib
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from icl.config.connectivity import Connectivity
from icl.errors import UserError
from icl.models.matrices import Fused, matrices, with_matrices

Matrix = Float[Array, "fan_in out"]
Numbers = dict[str, Array]


def _own(key: Key[Array, ""], own: Matrix, numbers: Numbers) -> Matrix:
    return own


def _gaussian(key: Key[Array, ""], own: Matrix, numbers: Numbers) -> Matrix:
    return jax.random.normal(key, own.shape) / jnp.sqrt(own.shape[0])


def _orthogonal(key: Key[Array, ""], own: Matrix, numbers: Numbers) -> Matrix:
    return jax.nn.initializers.orthogonal()(key, own.shape)


def _log_normal(key: Key[Array, ""], own: Matrix, numbers: Numbers) -> Matrix:
    size_key, sign_key = jax.random.split(key)
    sigma = numbers["sigma"]
    # The mean square of exp(sigma z) is exp(2 sigma^2).
    sizes = jnp.exp(sigma * jax.random.normal(size_key, own.shape) - sigma**2)
    return jax.random.rademacher(sign_key, own.shape) * sizes / jnp.sqrt(own.shape[0])


def _sparse(key: Key[Array, ""], own: Matrix, numbers: Numbers) -> Matrix:
    value_key, place_key = jax.random.split(key)
    is_there = jax.random.uniform(place_key, own.shape) < numbers["density"]
    values = jax.random.normal(value_key, own.shape)
    return is_there * values / jnp.sqrt(numbers["density"] * own.shape[0])


def _block(key: Key[Array, ""], own: Matrix, numbers: Numbers) -> Matrix:
    rows, columns = (jnp.arange(size) * numbers["num_groups"] // size for size in own.shape)
    is_within = rows[:, None] == columns
    deviations = jnp.where(is_within, numbers["contrast"], 1.0)
    deviations = deviations / jnp.sqrt(jnp.mean(deviations**2))
    return deviations * jax.random.normal(key, own.shape) / jnp.sqrt(own.shape[0])


# (key, the network's own matrix, numbers of the law) to a matrix; drawn ones have mean square
# 1 / fan-in, but for orthogonal ones.
LAWS: dict[str, Callable[[Key[Array, ""], Matrix, Numbers], Matrix]] = {
    "own": _own,
    "gaussian": _gaussian,
    "orthogonal": _orthogonal,
    "log_normal": _log_normal,
    "sparse": _sparse,
    "block": _block,
}


def truncate(matrix: Matrix, rank: Int[Array, ""]) -> Matrix:
    """The closest matrix of a rank, scaled to the Frobenius norm of the whole (Liu et al. 2023)."""
    left, values, right = jnp.linalg.svd(matrix, full_matrices=False)
    kept = jnp.where(jnp.arange(len(values)) < rank, values, 0)
    return (left * kept) @ right * jnp.linalg.norm(values) / jnp.linalg.norm(kept)


def make_numbers(connectivity: dict[str, Connectivity]) -> dict[str, Numbers]:
    """The traced part, by pattern; a rank of null is left out."""
    return {
        pattern: {
            name: jnp.asarray(value, jnp.int32 if isinstance(value, int) else jnp.float32)
            for name, value in law.model_dump(exclude={"kind"}).items()
            if value is not None
        }
        for pattern, law in connectivity.items()
    }


def connect(
    key: Key[Array, ""],
    params: dict[str, Any],
    fused: Fused,
    kinds: Mapping[str, str],
    numbers: dict[str, Numbers],
) -> dict[str, Any]:
    """Parameters whose matrices begin as configured; others, and biases, as they were.

    kinds, numbers: by pattern; of several that fit a matrix's name, the longest counts.
    """
    changed = {}
    for name, own in matrices(params, fused).items():
        pattern = fitting(name, kinds)
        if pattern is not None:
            law, its = LAWS[kinds[pattern]], numbers[pattern]
            own_key = jax.random.fold_in(key, zlib.crc32(name.encode()))
            matrix = law(own_key, own, its) * its["gain"]
            changed[name] = truncate(matrix, its["rank"]) if "rank" in its else matrix
    return with_matrices(params, fused, changed)


def fitting(name: str, patterns: Mapping[str, Any]) -> str | None:
    """The longest pattern that fits a name."""
    return max((p for p in patterns if fnmatchcase(name, p)), key=len, default=None)


def check(connectivity: dict[str, Connectivity], params: dict[str, Any], fused: Fused) -> None:
    """Raise UserError for a pattern that fits no matrix, and for a rank above a matrix's size.

    params: shapes suffice.
    """
    sizes = {
        name: min(matrix.shape)
        for name, matrix in jax.eval_shape(lambda p: matrices(p, fused), params).items()
    }
    errors = []
    for pattern, law in connectivity.items():
        names = [name for name in sizes if fnmatchcase(name, pattern)]
        if not names:
            errors.append(
                f"connectivity.{pattern}: fits no weight matrix; allowed: patterns of "
                f"{', '.join(dict.fromkeys(re.sub(r'[0-9]+', '*', name) for name in sizes))}"
            )
        mine = [name for name in names if fitting(name, connectivity) == pattern]
        smallest = min(mine, key=sizes.__getitem__, default=None)
        if smallest and law.rank is not None and law.rank > sizes[smallest]:
            errors.append(
                f"connectivity.{pattern}.rank = {law.rank}; allowed: at most {sizes[smallest]}, "
                f"the size of {smallest}"
            )
    if errors:
        raise UserError(*errors)
