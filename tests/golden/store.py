"""How golden values are kept and compared: exact texts, and numbers within a tolerance."""

import hashlib
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

VALUES = Path(__file__).parent / "values"
LONGEST = 12  # numbers of a list that is kept as it is


def load(subject: str) -> dict[str, Any]:
    """The values of a subject by item; none where none were recorded."""
    path = VALUES / f"{subject}.json"
    return json.loads(path.read_text()) if path.exists() else {}


def save(subject: str, values: dict[str, Any]) -> None:
    """Put these in place of the values of a subject."""
    VALUES.mkdir(exist_ok=True)
    text = json.dumps(values, sort_keys=True, indent=1, allow_nan=False)
    (VALUES / f"{subject}.json").write_text(text + "\n")


def digest(*parts: Any) -> str:
    """A SHA-256, shortened to 32 digits, of arrays and texts in this order."""
    found = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            found.update(part.encode())
        else:
            array = np.ascontiguousarray(part)
            found.update(f"{array.dtype.str}{array.shape}".encode())
            found.update(array.tobytes())
    return found.hexdigest()[:32]


def rounded(value: Any) -> float | None:
    """A number of seven digits; None for what is not finite."""
    return float(f"{float(value):.7g}") if math.isfinite(value) else None


def fingerprint(array: Any) -> list[float | None]:
    """The mean and the mean square of all, and of all weighted by their place.

    The last two distinguish arrays that hold the same numbers in another order.
    """
    flat = np.asarray(array, np.float64).ravel()
    weighted = flat * np.cos(np.arange(flat.size))
    if not flat.size:
        return []
    return [rounded(values.mean()) for values in (flat, flat**2, weighted, weighted**2)]


def fingerprints(tree: Any) -> dict[str, Any]:
    """The shapes, types and fingerprints of a tree's arrays by name, and a digest of them all."""
    leaves = {
        jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }
    return {
        "arrays": {
            name: [f"{leaf.dtype}{list(leaf.shape)}", *fingerprint(leaf)]
            for name, leaf in leaves.items()
        },
        "machine_digest": digest(*(part for item in sorted(leaves.items()) for part in item)),
    }


def shortened(value: Any) -> Any:
    """A document with lengths and fingerprints in place of long lists of numbers."""
    if isinstance(value, dict):
        return {name: shortened(child) for name, child in value.items()}
    if isinstance(value, list):
        is_long = len(value) > LONGEST
        if is_long and all(isinstance(number, int | float) for number in value):
            return {"length": len(value), "fingerprint": fingerprint(value)}
        return [shortened(child) for child in value]
    return rounded(value) if isinstance(value, float) else value


def canary() -> str:
    """A digest that two machines share where they draw and multiply to the last bit alike."""
    key = jax.random.key(7, impl="threefry2x32")
    normal = jax.random.normal(key, (24, 24))
    truncated = jax.random.truncated_normal(key, -2.0, 2.0, (64,))
    factors = jnp.linalg.qr(normal)
    singular = jnp.linalg.svd(normal)
    images = np.tanh(np.sin(np.arange(64, dtype=np.float32)))
    return digest(normal, truncated, normal @ normal.T, *factors, *singular, images)


def differences(
    computed: Any, stored: Any, rtol: float, is_same_machine: bool = True, name: str = ""
) -> Iterable[str]:
    """Lines on where two documents differ; numbers do where they are not within the tolerance.

    `machine_digest` counts on the machine alone where the values were recorded.
    """
    if name.endswith("machine_digest") and not is_same_machine:
        return
    if isinstance(computed, dict) and isinstance(stored, dict):
        for key in sorted(computed.keys() | stored.keys()):
            if key not in computed or key not in stored:
                yield f"{name}/{key}: only {'stored' if key in stored else 'computed'}"
            else:
                path = f"{name}/{key}"
                yield from differences(computed[key], stored[key], rtol, is_same_machine, path)
    elif isinstance(computed, list) and isinstance(stored, list) and len(computed) == len(stored):
        for i, (one, other) in enumerate(zip(computed, stored, strict=True)):
            yield from differences(one, other, rtol, is_same_machine, f"{name}/{i}")
    elif isinstance(computed, float) and isinstance(stored, float):
        if not math.isclose(computed, stored, rel_tol=rtol, abs_tol=rtol * 1e-2):
            yield f"{name}: computed {computed}, stored {stored}"
    elif computed != stored or type(computed) is not type(stored):
        yield f"{name}: computed {computed}, stored {stored}"
