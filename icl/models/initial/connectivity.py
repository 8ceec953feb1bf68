"""Initial connectivity: the weight matrices of a network are replaced before the first step.

The initializer and `match` are static, everything else is traced: one program serves all gains,
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

from icl.config.connectivity import FileConnectivity, OwnConnectivity
from icl.config.parts import find
from icl.errors import UserError
from icl.models.initial.cell_types import keep_signs, unit_signs
from icl.models.initial.initializers import INITIALIZERS, Matrix, Numbers
from icl.models.initial.matching import match_gaussian
from icl.models.initial.matrix_file import read_matrix
from icl.models.matrices import Fused, matrices, with_matrices
from icl.models.scales import scale_of

STATIC = {"kind", "match", "path", "transposed", "kept"}  # settings that are not numbers


def truncate(matrix: Matrix, rank: Int[Array, ""]) -> Matrix:
    """The closest matrix of a rank, scaled to the Frobenius norm of the whole (Liu et al. 2023).

    A matrix of zeros stays as it is.
    """
    left, values, right = jnp.linalg.svd(matrix, full_matrices=False)
    kept = jnp.where(jnp.arange(len(values)) < rank, values, 0)
    scale = scale_of(values)
    norm, whole = jnp.linalg.norm(kept / scale), jnp.linalg.norm(values / scale)
    return (left * kept) @ right * whole / jnp.where(norm > 0, norm, 1)


def make_numbers(connectivity: Mapping[str, OwnConnectivity]) -> dict[str, Numbers]:
    """The traced numbers by pattern; a rank of null is left out, a file gives its `matrix`.

    Raises UserError if a file holds no such matrix.
    """
    return {pattern: _numbers(pattern, settings) for pattern, settings in connectivity.items()}


def _numbers(pattern: str, settings: OwnConnectivity) -> Numbers:
    numbers = {
        name: jnp.asarray(value, jnp.int32 if isinstance(value, int) else jnp.float32)
        for name, value in settings.model_dump(exclude=STATIC).items()
        if value is not None and not isinstance(value, str)
    }
    if isinstance(settings, FileConnectivity):
        field = f"connectivity.{pattern}.path"
        matrix = read_matrix(field, settings.path)
        if settings.kind == "file" and matrix.shape[0] != matrix.shape[1]:
            size = _size(matrix.shape)
            raise UserError(f"{field} = {settings.path}: holds {size}; allowed: a square matrix")
        numbers["matrix"] = jnp.asarray(matrix.T if settings.transposed else matrix)
    return numbers


def connect(
    key: Key[Array, ""],
    params: dict[str, Any],
    fused: Fused,
    connectivity: Mapping[str, OwnConnectivity],
    numbers: dict[str, Numbers],
) -> dict[str, Any]:
    """Parameters with matrices initialised as configured; other matrices and biases are unchanged.

    connectivity, numbers: by pattern; if several fit a matrix's name, the longest counts. Only the
        kind and `match` of `connectivity` are read here.

    Raises UserError for impossible settings, as soon as it is traced.
    """
    check(connectivity, numbers, params, fused)
    changed = {}
    for name, own in matrices(params, fused).items():
        pattern = fitting(name, connectivity)
        if pattern is not None:
            settings, own_numbers = connectivity[pattern], numbers[pattern]
            own_key = jax.random.fold_in(key, zlib.crc32(name.encode()))
            initializer = find(INITIALIZERS, "initializer", settings.kind)
            matrix = initializer(own_key, own, own_numbers) * own_numbers["gain"]
            if "rank" in own_numbers:
                matrix = truncate(matrix, own_numbers["rank"])
            changed[name] = match_gaussian(matrix, settings.match, own_numbers["gain"])
    return with_matrices(params, fused, changed)


def constrain(
    params: dict[str, Any],
    fused: Fused,
    connectivity: Mapping[str, OwnConnectivity],
    numbers: dict[str, Numbers],
) -> dict[str, Any]:
    """The closest parameters that keep what is `kept` in training; for use after an update."""
    kept = {pattern for pattern, own in connectivity.items() if getattr(own, "kept", False)}
    if not kept:
        return params
    changed = {}
    for name, matrix in matrices(params, fused).items():
        pattern = fitting(name, connectivity)
        if pattern in kept:
            signs = unit_signs(matrix.shape[0], numbers[pattern]["fraction"])
            changed[name] = keep_signs(matrix, signs[:, None])
    return with_matrices(params, fused, changed)


def fitting(name: str, patterns: Mapping[str, Any]) -> str | None:
    """The longest pattern that fits a name, or None."""
    return max((p for p in patterns if fnmatchcase(name, p)), key=len, default=None)


def check(
    connectivity: Mapping[str, OwnConnectivity],
    numbers: dict[str, Numbers],
    params: dict[str, Any],
    fused: Fused,
) -> None:
    """Raise UserError for patterns that fit no matrix, and for settings that a matrix cannot have.

    params: shapes suffice.
    """
    found = jax.eval_shape(lambda p: matrices(p, fused), params)
    errors = []
    for pattern, settings in connectivity.items():
        names = [name for name in found if fnmatchcase(name, pattern)]
        if not names:
            errors.append(
                f"connectivity.{pattern}: fits no weight matrix; allowed: patterns of "
                f"{', '.join(dict.fromkeys(re.sub(r'[0-9]+', '*', name) for name in found))}"
            )
        mine = [name for name in names if fitting(name, connectivity) == pattern]
        # The smallest first: it bounds the rank.
        for name in sorted(mine, key=lambda name: min(found[name].shape)):
            if misfit := _misfit(settings, numbers[pattern], name, found[name].shape):
                errors.append(f"connectivity.{pattern}.{misfit}")
                break
    if errors:
        raise UserError(*errors)


def _misfit(settings: OwnConnectivity, numbers: Numbers, name: str, shape: tuple[int, ...]) -> str:
    """Reason why a matrix cannot have these settings, with what is allowed; empty if it can."""
    own_size = f"{name} is {_size(shape)}"
    if settings.rank is not None and settings.rank > min(shape):
        return f"rank = {settings.rank}; allowed: at most {min(shape)}, the size of {name}"
    if isinstance(settings, FileConnectivity) and numbers["matrix"].shape != shape:
        size = _size(numbers["matrix"].shape)
        return f"path = {settings.path}: holds {size}; allowed: {_size(shape)}, the size of {name}"
    if shape[0] == shape[1]:
        return ""
    if settings.kind == "motifs":
        return f"kind = motifs; allowed: for square matrices, and {own_size}"
    if settings.match in ("spectral_radius", "leading_eigenvalue"):
        return f"match = {settings.match}; allowed: norm, or square matrices, and {own_size}"
    return ""


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
