"""The user's own exemplars: an array in a file, of vectors or images."""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Int, Shaped

from icl.config.features_file import COUNTS, StoredArray, is_folder, opened, wrong
from icl.config.sources import MAX_BANK_BYTES, FeaturesSource
from icl.data.sources.image_folder import load_image_folder
from icl.data.sources.on_device import aligned_empty
from icl.types import ExemplarBank

VECTOR_RANK = 3


def load_features(source: FeaturesSource) -> ExemplarBank:
    """Load vectors `[class, exemplar, dim]` or images `[class, exemplar, height, width, ...]`.

    Images of uint8 stay bytes, of which 255 becomes 1. All other floats and integers become
    float32, with the values that they have. An array `num_exemplars` in the file says how many
    exemplars each class has; what comes after them is padding. Classes are named by their numbers.
    The path of a folder is left to `load_image_folder`.

    Raises UserError where the file is missing or broken, has an extension that is unknown, or
    holds no such array; and where the array is empty, too large, has another rank or is not all
    finite.
    """
    if is_folder(source.path):
        return load_image_folder(source)
    with opened(source.path, source.key) as (stored, stored_counts):
        _check_size(source, stored)
        array = stored.read()
        counts = None if stored_counts is None else stored_counts.read()
    if counts is not None:
        counts = _checked_counts(source, counts, array.shape[:2])
        array = array[:, : counts.max()]
        counts = None if counts.min() == counts.max() else counts
    exemplars = _as_bank(source, array, counts)
    names = tuple(f"class {index}" for index in range(len(exemplars)))
    return ExemplarBank(exemplars, names, counts)


def _check_size(source: FeaturesSource, stored: StoredArray) -> None:
    """Check the size in memory, before anything is read."""
    is_bytes = stored.is_bytes and len(stored.shape) > VECTOR_RANK
    size = math.prod(stored.shape) * (1 if is_bytes else 4)
    if size > MAX_BANK_BYTES:
        what = "" if is_bytes else " as float32"
        raise wrong(
            source.path,
            f"shape {list(stored.shape)} takes {size:.3g} bytes{what}",
            f"at most {MAX_BANK_BYTES:.3g}",
        )


def _checked_counts(
    source: FeaturesSource, counts: np.ndarray, shape: tuple[int, ...]
) -> Int[np.ndarray, " class"]:
    """The number of exemplars of each class. shape: the numbers of classes and exemplars."""
    num_classes, most = shape
    if counts.shape != (num_classes,) or not np.issubdtype(counts.dtype, np.integer):
        raise wrong(
            source.path,
            f"{COUNTS} has shape {list(counts.shape)} and dtype {counts.dtype}",
            f"shape [{num_classes}], a whole number for each class",
        )
    bad = (counts < 1) | (counts > most)
    if bad.any():
        first = int(bad.argmax())
        raise wrong(
            source.path,
            f"{COUNTS} of class {first} is {counts[first]}",
            f"1 to {most}, the array's",
        )
    return counts.astype(np.int32)


def _as_bank(
    source: FeaturesSource, array: np.ndarray, counts: Int[np.ndarray, " class"] | None
) -> Shaped[np.ndarray, "class exemplar *shape"]:
    """The array in the type and at a place in memory that a device can use."""
    is_number = jnp.issubdtype(array.dtype, jnp.floating)  # NumPy does not know bfloat16
    if not is_number and not np.issubdtype(array.dtype, np.integer):
        raise wrong(source.path, f"dtype {array.dtype}", "floats or integers")
    is_bytes = array.dtype == np.uint8 and array.ndim > VECTOR_RANK
    bank = aligned_empty(array.shape, np.uint8 if is_bytes else np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # reported below
        bank[...] = array
    if not is_bytes:
        _check_finite(source, bank, counts)
    return bank


def _check_finite(
    source: FeaturesSource, bank: np.ndarray, counts: Int[np.ndarray, " class"] | None
) -> None:
    bad: Bool[np.ndarray, "class exemplar *shape"] = ~np.isfinite(bank)
    if counts is not None:
        bad[np.arange(bank.shape[1]) >= counts[:, None]] = False  # padding
    if bad.any():
        first = np.unravel_index(bad.argmax(), bad.shape)
        raise wrong(
            source.path,
            f"{bad.sum()} of {bad.size} values are NaN or infinite in float32, the first in "
            f"class {first[0]}, exemplar {first[1]}",
            "finite values",
        )
