"""The user's own features: an array [class, exemplar, dim] in a file."""

import importlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float32

from icl.config.sources import FeaturesSource
from icl.data.sources.on_device import aligned_empty
from icl.errors import UserError, allowed, one_line
from icl.types import ExemplarBank


def load_features(source: FeaturesSource) -> ExemplarBank:
    """Load the array in the file, of floats or integers, as float32 `[class, exemplar, dim]`.

    `source.key` names the array where the file holds several. Classes are named by their numbers.

    Raises UserError where the file is missing or broken, has an extension that is not in READERS,
    or holds no such array; and where the array is empty, has another rank or is not all finite.
    """
    path = Path(source.path).expanduser()
    read = READERS.get(path.suffix.lower())
    if read is None:
        raise _wrong(source, "unknown extension", ", ".join(READERS))
    try:
        array = read(source, path)
    except UserError:
        raise
    except FileNotFoundError as error:
        raise _wrong(source, "no such file", "a file that exists") from error
    # Broken bytes make these libraries raise nearly anything. All mean the same to the user.
    except Exception as error:
        found = f"cannot be read ({one_line(error)})"
        raise _wrong(source, found, f"a {path.suffix} file") from error
    features = _as_float32(source, array)
    return ExemplarBank(features, tuple(f"class {index}" for index in range(len(features))))


def _read_npy(source: FeaturesSource, path: Path) -> np.ndarray:
    if source.key is not None:
        raise UserError(
            f"data.source.key = {source.key}; allowed: null, as a .npy file holds one array"
        )
    with open(path, "rb") as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _read_npz(source: FeaturesSource, path: Path) -> np.ndarray:
    with open(path, "rb") as file, np.lib.npyio.NpzFile(file, allow_pickle=False) as arrays:
        return arrays[_choose(source, arrays.files)]


def _read_hdf5(source: FeaturesSource, path: Path) -> np.ndarray:
    h5py = _library(source, "h5py")
    names: list[str] = []

    def note(name: str, entry: Any) -> None:
        if isinstance(entry, h5py.Dataset):
            names.append(name)

    with h5py.File(path, "r") as file:
        file.visititems(note)
        return np.asarray(file[_choose(source, names)])


def _read_safetensors(source: FeaturesSource, path: Path) -> np.ndarray:
    safetensors = _library(source, "safetensors")
    with safetensors.safe_open(path, framework="numpy") as file:
        return file.get_tensor(_choose(source, file.keys()))


READERS: dict[str, Callable[[FeaturesSource, Path], np.ndarray]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".h5": _read_hdf5,
    ".hdf5": _read_hdf5,
    ".safetensors": _read_safetensors,
}


def _library(source: FeaturesSource, name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(
            f"data.source.path = {source.path}: reading it takes {name}, which is not installed; "
            'pip install "icl[features]"'
        ) from error


def _choose(source: FeaturesSource, names: Iterable[str]) -> str:
    """The name of the array to read."""
    known = sorted(names)
    if not known:
        raise _wrong(source, "holds no array", "a file with [class, exemplar, dim]")
    if source.key is None and len(known) == 1:
        return known[0]
    if source.key not in known:
        value = "null" if source.key is None else source.key
        raise UserError(
            f"data.source.key = {value}; {allowed(value, known)}, the arrays in {source.path}"
        )
    return source.key


def _as_float32(
    source: FeaturesSource, array: np.ndarray
) -> Float32[np.ndarray, "class exemplar dim"]:
    is_number = jnp.issubdtype(array.dtype, jnp.floating)  # NumPy does not know bfloat16
    if not is_number and not np.issubdtype(array.dtype, np.integer):
        raise _wrong(source, f"dtype {array.dtype}", "floats or integers")
    shape = list(array.shape)
    if array.ndim != 3:
        raise _wrong(source, f"shape {shape}", "[class, exemplar, dim]")
    if array.size == 0:
        raise _wrong(source, f"shape {shape}", "at least one class, exemplar and dimension")
    features = aligned_empty(array.shape, np.float32)
    with np.errstate(over="ignore"):  # reported below
        features[...] = array
    bad = ~np.isfinite(features)
    if bad.any():
        first = np.unravel_index(bad.argmax(), bad.shape)
        raise _wrong(
            source,
            f"{bad.sum()} of {bad.size} values are NaN or infinite in float32, the first in "
            f"class {first[0]}, exemplar {first[1]}",
            "finite values",
        )
    return features


def _wrong(source: FeaturesSource, found: str, allowed: str) -> UserError:
    return UserError(f"data.source.path = {source.path}: {found}; allowed: {allowed}")
