"""Writes arrays of runs and sweeps in the formats of other tools, with plain names."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pandas
import xarray

from icl.errors import UserError, first_line
from icl.records.dataset import plain_names
from icl.records.reading import load


def to_zarr(dataset: xarray.Dataset, path: Path) -> None:
    """Write a Zarr store: chunked, for arrays that grow large."""
    plain_names(dataset).to_zarr(path, mode="w", zarr_format=2)


def to_netcdf(dataset: xarray.Dataset, path: Path) -> None:
    """Write a netCDF-4 file: named dimensions in one file, for any language."""
    plain_names(dataset).to_netcdf(path, engine="netcdf4")


def to_table(dataset: xarray.Dataset) -> pandas.DataFrame:
    """A table with a row for each condition and step; of a sweep, for each cell and seed too.

    Variables without condition, such as the training loss, repeat their value in every row.
    Accuracy by frequency, arrays of probes, statistics of initial weights and the strategies of
    conditions are left out.

    dataset: of a run or of a sweep, see `icl.records.load`.
    """
    flat = plain_names(dataset).drop_vars("strategy", errors="ignore")
    cells = flat["status"].dims if "status" in flat else ()  # a single run has no axes of a grid
    rows = [*cells, "condition", "step"]
    flat = flat.drop_dims([dim for dim in flat.dims if dim not in rows])
    return flat.to_dataframe(rows).reset_index()


def to_parquet(dataset: xarray.Dataset, path: Path) -> None:
    """Write the rows of `to_table` as a Parquet file, for tables and SQL."""
    to_table(dataset).to_parquet(path)


def to_csv(dataset: xarray.Dataset, path: Path) -> None:
    """Write the rows of `to_table` as text; missing numbers are empty."""
    to_table(dataset).to_csv(path, index=False)


FORMATS: dict[str, Callable[[xarray.Dataset, Path], None]] = {
    "zarr": to_zarr,
    "nc": to_netcdf,
    "parquet": to_parquet,
    "csv": to_csv,
}


def check_export(path: Path) -> None:
    """Raise UserError where `export` would fail, as far as that is known without writing."""
    if path.suffix.removeprefix(".") not in FORMATS:
        endings = ", ".join(f".{ending}" for ending in FORMATS)
        raise UserError(f"{path}: unknown format; allowed endings: {endings}")
    if path.exists():
        raise UserError(f"{path}: is there already; allowed: a new name")


def export_records(directory: str | Path, path: Path, name: str | None = None) -> None:
    """Export the records of a run or a sweep.

    name: of a grid, where the directory holds several.

    Raises UserError where `load` or `export` would, and as early as possible.
    """
    check_export(path)
    export(load(directory, name), path)


def export(dataset: xarray.Dataset, path: str | Path) -> None:
    """Write the array that `icl.records.load` gives, in the format of the path's ending.

    It is written under another name, then renamed: the file is whole or not there.

    Raises UserError for an unknown ending, for a path that exists already, and for a format whose
    library is not installed.
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
        reason = first_line(error)
        raise UserError(
            f'{path}: needs another library ({reason}); allowed after: pip install -e ".[export]"'
        ) from None
    os.replace(temporary, path)
