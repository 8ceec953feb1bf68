"""Arrays of sweeps in the formats of other tools."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import xarray

from icl.errors import UserError


def to_zarr(dataset: xarray.Dataset, path: Path) -> None:
    """A Zarr store: chunked, for arrays that grow large."""
    dataset.to_zarr(path, mode="w", zarr_format=2)


def to_netcdf(dataset: xarray.Dataset, path: Path) -> None:
    """A netCDF-4 file: named dimensions in one file, for any language."""
    dataset.to_netcdf(path, engine="netcdf4")


def to_parquet(dataset: xarray.Dataset, path: Path) -> None:
    """A Parquet file: a row for each cell, seed, condition and step, for tables and SQL.

    Of variables without condition, such as the training loss, the value stands in every row.
    Accuracy by frequency, what weights begin as and the strategies of conditions are left out.
    """
    flat = dataset.drop_vars(["accuracy_by_frequency", "strategy"], errors="ignore")
    flat = flat.drop_dims(["stratum", "matrix"], errors="ignore")
    flat.to_dataframe().reset_index().to_parquet(path)


FORMATS: dict[str, Callable[[xarray.Dataset, Path], None]] = {
    "zarr": to_zarr,
    "nc": to_netcdf,
    "parquet": to_parquet,
}


def check_export(path: Path) -> None:
    """Raise UserError where `export` could not write, as far as can be told without trying."""
    if path.suffix.removeprefix(".") not in FORMATS:
        endings = ", ".join(f".{ending}" for ending in FORMATS)
        raise UserError(f"{path}: unknown format; allowed endings: {endings}")
    if path.exists():
        raise UserError(f"{path}: is there already; allowed: a new name")


def export(dataset: xarray.Dataset, path: str | Path) -> None:
    """Write the array that `icl.records.load` gives; the format is told by the ending.

    Written beside, then renamed: the file is whole or not there. Raises UserError for an unknown
    ending, something that is already there, or a format whose library is not installed.
    """
    path = Path(path)
    check_export(path)
    write = FORMATS[path.suffix.removeprefix(".")]
    plain = dataset.assign_attrs(
        {name: v if isinstance(v, str) else json.dumps(v) for name, v in dataset.attrs.items()}
    )
    temporary = path.with_name(f".{path.name}.tmp{path.suffix}")
    try:
        write(plain, temporary)
    except ImportError as error:
        reason = str(error).split("\n")[0]
        raise UserError(
            f'{path}: needs another library ({reason}); allowed after: pip install -e ".[export]"'
        ) from None
    os.replace(temporary, path)
