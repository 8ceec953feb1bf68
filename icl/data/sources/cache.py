"""Exemplar banks kept on disk, so that each machine decodes or draws them once."""

import os
import secrets
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from icl.errors import UserError, one_line
from icl.files import cache_dir, whole_file
from icl.types import ExemplarBank


def cached(
    name: str, make: Callable[[], ExemplarBank], shape: tuple[int, ...] | None = None
) -> ExemplarBank:
    """Load the bank in `<cache>/<name>.npz`, or make it and keep it there.

    The file is written whole or not at all. Processes may make the same bank at the same time:
    each writes its own file, and the last one stays, which is harmless because they are equal.

    name: different banks need different names.
    shape: where given, the exact shape of the exemplars, `[class, exemplar, ...]`.

    Warns where the bank cannot be kept, and returns it all the same.
    Raises UserError where the file is broken. An error in `make` leaves no file.
    """
    path = cache_dir() / f"{name}.npz"
    bank = _load(path, shape)
    if bank is None:
        bank = make()
        _check(bank.exemplars, np.array(bank.names, dtype=str), shape)
        try:
            _write(path, bank)
        except OSError as error:
            warnings.warn(
                f"{path}: not kept, will be made again by the next run ({error.strerror or error})",
                stacklevel=2,
            )
    return bank


def _load(path: Path, shape: tuple[int, ...] | None) -> ExemplarBank | None:
    try:
        file = open(path, "rb")  # noqa: SIM115 (closed below; only opening may fail quietly)
    except OSError:
        return None
    try:
        with file, np.load(file, allow_pickle=False) as arrays:
            exemplars, names = arrays["exemplars"], arrays["names"]  # checks their CRC-32 too
        _check(exemplars, names, shape)
    # Broken bytes make zipfile, zlib and NumPy raise nearly anything, even MemoryError for an
    # absurd shape. All mean the same to the user.
    except Exception as error:
        raise UserError(
            f"{path}: broken cache file ({one_line(error)}); delete it and run again"
        ) from error
    return ExemplarBank(exemplars, tuple(names.tolist()))


def _check(exemplars: np.ndarray, names: np.ndarray, shape: tuple[int, ...] | None) -> None:
    if exemplars.dtype != np.uint8 or exemplars.ndim < 2:
        raise ValueError(
            f"exemplars are {exemplars.dtype}{list(exemplars.shape)}; "
            "allowed: uint8[class, exemplar, ...]"
        )
    if shape is not None and exemplars.shape != shape:
        raise ValueError(f"exemplars have shape {list(exemplars.shape)}; allowed: {list(shape)}")
    if names.dtype.kind != "U" or names.shape != exemplars.shape[:1]:
        raise ValueError(
            f"names are {names.dtype}{list(names.shape)}; allowed: str[{len(exemplars)}]"
        )


def _write(path: Path, bank: ExemplarBank) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not tempfile, whose files no other user of a shared cache could read.
    with whole_file(path, f".{os.getpid()}-{secrets.token_hex(4)}") as file:
        np.savez_compressed(file, exemplars=bank.exemplars, names=np.array(bank.names, dtype=str))
