"""Weight matrices from files, read on the host before anything is compiled."""

from pathlib import Path

import numpy as np
from jaxtyping import Float32

from icl.errors import UserError, one_line


def read_matrix(field: str, path: str) -> Float32[np.ndarray, "fan_in out"]:
    """The matrix in a .npy or .csv file.

    field: the setting's name, for errors.

    Raises UserError if the file cannot be read or holds anything but a matrix of finite numbers.
    """
    found = _load(field, path)
    if found.dtype.kind not in "biuf":
        raise UserError(f"{field} = {path}: holds {found.dtype}; allowed: real numbers")
    if found.ndim != 2 or not found.size:
        shape = " x ".join(map(str, found.shape)) or "one number"
        raise UserError(f"{field} = {path}: holds {shape}; allowed: a matrix")
    with np.errstate(over="ignore"):
        matrix = found.astype(np.float32)
    if num_bad := int(np.sum(~np.isfinite(matrix))):
        raise UserError(
            f"{field} = {path}: {num_bad} of its {matrix.size} numbers are NaN or infinite; "
            "allowed: finite ones"
        )
    return matrix


def _load(field: str, path: str) -> np.ndarray:
    file = Path(path).expanduser()
    if file.suffix not in (".npy", ".csv"):
        raise UserError(f"{field} = {path}; allowed: a file .npy or .csv")
    try:
        if file.suffix == ".csv":
            return np.loadtxt(file, delimiter=",", ndmin=2, encoding="utf-8")
        with file.open("rb") as stream:
            return np.lib.format.read_array(stream, allow_pickle=False)
    # Broken bytes make NumPy raise nearly anything: ValueError, EOFError, MemoryError ...
    except Exception as error:
        raise UserError(f"{field} = {path}: cannot be read ({one_line(error)})") from error
