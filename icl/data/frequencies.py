"""How frequent the training classes are: by Zipf's law, or by the user's own numbers."""

from pathlib import Path

import numpy as np
from jaxtyping import Float64

from icl.config import DataConfig
from icl.config.class_probabilities import ALLOWED, FIELD, probability_errors
from icl.errors import UserError, one_line

Weights = Float64[np.ndarray, " class"]


def class_weights(data: DataConfig) -> Weights:
    """Weights of the training classes, most frequent first; probabilities up to a factor.

    They are those of `data.class_probabilities`, or (j + 1) ** -`data.zipf_exponent` for class j.

    Raises UserError where a file of probabilities is missing or broken, or has wrong numbers.
    """
    own = data.class_probabilities
    if own is None:
        return zipf_weights(data.num_classes, data.zipf_exponent)
    if isinstance(own, str):
        numbers = _read(own)
        if errors := probability_errors(numbers, data.num_classes, own):
            raise UserError(*errors)
    else:
        numbers = np.array(own, np.float64)  # checked with the config
    return numbers / numbers[0]


def zipf_weights(num_classes: int, exponent: float) -> Weights:
    """Weights of classes by Zipf's law."""
    return np.arange(1, num_classes + 1, dtype=np.float64) ** -exponent


def is_uniform(data: DataConfig) -> bool:
    """Whether all training classes are equally frequent."""
    weights = class_weights(data)
    return bool(weights[0] == weights[-1])


def _read(path: str) -> Weights:
    """The numbers in a file: a row or a column."""
    file = Path(path).expanduser()
    suffix = file.suffix.lower()
    if suffix not in (".npy", ".csv", ".txt"):
        raise UserError(f"{FIELD} = {path}: unknown extension; allowed: {ALLOWED}")
    try:
        if suffix == ".npy":
            with file.open("rb") as stream:
                found = np.lib.format.read_array(stream, allow_pickle=False)
        else:
            delimiter = "," if suffix == ".csv" else None
            found = np.loadtxt(file, delimiter=delimiter, ndmin=2, encoding="utf-8")
    except FileNotFoundError as error:
        raise UserError(f"{FIELD} = {path}: no such file; allowed: a file that exists") from error
    # Broken bytes make NumPy raise nearly anything: ValueError, EOFError, MemoryError ...
    except Exception as error:
        reason = one_line(error)
        raise UserError(
            f"{FIELD} = {path}: cannot be read ({reason}); allowed: {ALLOWED}"
        ) from error
    if found.dtype.kind not in "iuf":
        raise UserError(f"{FIELD} = {path}: holds {found.dtype}; allowed: real numbers")
    if found.size == 0 or found.size != max(found.shape, default=0):
        shape = list(found.shape)
        raise UserError(f"{FIELD} = {path}: shape {shape}; allowed: one number for each class")
    return found.ravel().astype(np.float64)
