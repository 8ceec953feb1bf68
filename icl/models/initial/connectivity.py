"""Initial connectivity: the weight matrices of a network replaced before the first step.

The law and what it is matched in are static, all else is traced: one program serves all gains,
ranks and densities.
"""

import re
import zlib
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key

from icl.config.connectivity import Connectivity, FileConnectivity
from icl.errors import UserError
from icl.models.initial.cell_types import keep_signs, unit_signs
from icl.models.initial.initializers import INITIALIZERS, Matrix, Numbers
from icl.models.initial.matching import match_gaussian
from icl.models.initial.matrix_file import read_matrix
from icl.models.matrices import Fused, matrices, with_matrices

STATIC = {"kind", "match", "path", "transposed", "kept"}  # of a law: not among its numbers


def truncate(matrix: Matrix, rank: Int[Array, ""]) -> Matrix:
    """The closest matrix of a rank, scaled to the Frobenius norm of the whole (Liu et al. 2023).

    A matrix of zeros stays one.
    """
    left, values, right = jnp.linalg.svd(matrix, full_matrices=False)
    kept = jnp.where(jnp.arange(len(values)) < rank, values, 0)
    norm = jnp.linalg.norm(kept)
    return (left * kept) @ right * jnp.linalg.norm(values) / jnp.where(norm > 0, norm, 1)


def make_numbers(connectivity: dict[str, Connectivity]) -> dict[str, Numbers]:
    """The traced part, by pattern; a rank of null is left out, a file gives its `matrix`.

    Raises UserError where a file holds no such matrix.
    """
    return {pattern: _numbers(pattern, law) for pattern, law in connectivity.items()}


def _numbers(pattern: str, law: Connectivity) -> Numbers:
    numbers = {
        name: jnp.asarray(value, jnp.int32 if isinstance(value, int) else jnp.float32)
        for name, value in law.model_dump(exclude=STATIC).items()
        if value is not None
    }
    if isinstance(law, FileConnectivity):
        field = f"connectivity.{pattern}.path"
        matrix = read_matrix(field, law.path)
        if law.kind == "file" and matrix.shape[0] != matrix.shape[1]:
            size = _size(matrix.shape)
            raise UserError(f"{field} = {law.path}: holds {size}; allowed: a square matrix")
        numbers["matrix"] = jnp.asarray(matrix.T if law.transposed else matrix)
    return numbers


def connect(
    key: Key[Array, ""],
    params: dict[str, Any],
    fused: Fused,
    connectivity: dict[str, Connectivity],
    numbers: dict[str, Numbers],
) -> dict[str, Any]:
    """Parameters whose matrices begin as configured; others, and biases, as they were.

    connectivity, numbers: by pattern; of several that fit a matrix's name, the longest counts. Of
        the first only the kind and `match` are read.

    Raises UserError for what cannot be, as soon as it is traced.
    """
    check(connectivity, numbers, params, fused)
    changed = {}
    for name, own in matrices(params, fused).items():
        pattern = fitting(name, connectivity)
        if pattern is not None:
            law, its = connectivity[pattern], numbers[pattern]
            own_key = jax.random.fold_in(key, zlib.crc32(name.encode()))
            matrix = INITIALIZERS[law.kind](own_key, own, its) * its["gain"]
            matrix = truncate(matrix, its["rank"]) if "rank" in its else matrix
            changed[name] = match_gaussian(matrix, law.match, its["gain"])
    return with_matrices(params, fused, changed)


def constrain(
    params: dict[str, Any],
    fused: Fused,
    connectivity: dict[str, Connectivity],
    numbers: dict[str, Numbers],
) -> dict[str, Any]:
    """Parameters after an update, as near as their laws allow where these are kept in training."""
    laws = {p: law for p, law in connectivity.items() if getattr(law, "kept", False)}
    if not laws:
        return params
    changed = {}
    for name, matrix in matrices(params, fused).items():
        pattern = fitting(name, connectivity)
        if pattern in laws:
            signs = unit_signs(matrix.shape[0], numbers[pattern]["fraction"])
            changed[name] = keep_signs(matrix, signs[:, None])
    return with_matrices(params, fused, changed)


def fitting(name: str, patterns: Mapping[str, Any]) -> str | None:
    """The longest pattern that fits a name."""
    return max((p for p in patterns if fnmatchcase(name, p)), key=len, default=None)


def check(
    connectivity: dict[str, Connectivity],
    numbers: dict[str, Numbers],
    params: dict[str, Any],
    fused: Fused,
) -> None:
    """Raise UserError for a pattern that fits no matrix, and for a law that suits none of its own.

    params: shapes suffice.
    """
    found = jax.eval_shape(lambda p: matrices(p, fused), params)
    errors = []
    for pattern, law in connectivity.items():
        names = [name for name in found if fnmatchcase(name, pattern)]
        if not names:
            errors.append(
                f"connectivity.{pattern}: fits no weight matrix; allowed: patterns of "
                f"{', '.join(dict.fromkeys(re.sub(r'[0-9]+', '*', name) for name in found))}"
            )
        mine = [name for name in names if fitting(name, connectivity) == pattern]
        # The smallest first: it bounds the rank.
        for name in sorted(mine, key=lambda name: min(found[name].shape)):
            if misfit := _misfit(law, numbers[pattern], name, found[name].shape):
                errors.append(f"connectivity.{pattern}.{misfit}")
                break
    if errors:
        raise UserError(*errors)


def _misfit(law: Connectivity, numbers: Numbers, name: str, shape: tuple[int, ...]) -> str:
    """Why this matrix cannot begin so: the setting and what is allowed; empty: it can."""
    told = f"{name} is {_size(shape)}"
    if law.rank is not None and law.rank > min(shape):
        return f"rank = {law.rank}; allowed: at most {min(shape)}, the size of {name}"
    if isinstance(law, FileConnectivity) and numbers["matrix"].shape != shape:
        size = _size(numbers["matrix"].shape)
        return f"path = {law.path}: holds {size}; allowed: {_size(shape)}, the size of {name}"
    if shape[0] == shape[1]:
        return ""
    if law.kind == "motifs":
        return f"kind = motifs; allowed: for square matrices, and {told}"
    if law.match in ("spectral_radius", "leading_eigenvalue"):
        return f"match = {law.match}; allowed: norm, or square matrices, and {told}"
    return ""


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
