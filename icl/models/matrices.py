"""The weight matrices of a network by name: kernels and tables, fused ones part by part.

A name is the path of the layer, such as `readout`, `block0/mlp_in` or `embedder/hidden`. A kernel
that holds several matrices side by side has a name for each part: `block0/mixer/qkv/query`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Fused = Mapping[str, tuple[str, ...]]
Matrices = dict[str, Float[Array, "fan_in out"]]

LEAVES = ("kernel", "embedding")


def matrices(params: dict[str, Any], fused: Fused) -> Matrices:
    """All weight matrices; those of convolutions are [all inputs of an output, channels].

    fused: names of the parts of a mixer's fused kernels, by layer.
    """
    return {
        name: part
        for path, leaf in _weights(params)
        for name, part in zip(_names(path, fused), _parts(path, leaf, fused), strict=True)
    }


def with_matrices(params: dict[str, Any], fused: Fused, changed: Matrices) -> dict[str, Any]:
    """The same parameters with some matrices replaced."""
    leaves = dict(_weights(params))

    def replace(path: tuple[str, ...], leaf: Array) -> Array:
        names = _names(path, fused) if path in leaves else []
        if not any(name in changed for name in names):
            return leaf
        parts = zip(names, _parts(path, leaf, fused), strict=True)
        whole = jnp.concatenate([changed.get(name, part) for name, part in parts], axis=1)
        return whole.reshape(leaf.shape).astype(leaf.dtype)

    return jax.tree_util.tree_map_with_path(lambda path, leaf: replace(_keys(path), leaf), params)


def _weights(params: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], Array]]:
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        keys = _keys(path)
        if keys[-1] in LEAVES and leaf.ndim >= 2:
            yield keys, leaf


def _keys(path: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(str(part.key) for part in path)


def _names(path: tuple[str, ...], fused: Fused) -> list[str]:
    layer = "/".join(path[:-1])
    # Layers of mixers, and those of networks for tasks, whose paths have no parent.
    is_fused = "mixer" in path[:-2] or len(path) == 2
    parts = fused.get(path[-2], ()) if is_fused else ()
    return [f"{layer}/{part}" for part in parts] or [layer]


def _parts(path: tuple[str, ...], leaf: Array, fused: Fused) -> list[Array]:
    flat = leaf.reshape(-1, leaf.shape[-1])
    return jnp.split(flat, len(_names(path, fused)), axis=1)
