"""Arrays for other tools."""

import sys
from pathlib import Path

import numpy as np
import pandas
import pytest
import xarray

from icl.records.export import FORMATS, export

from ..analysis.synthetic import make_sweep
from ..messages import refused


@pytest.fixture
def dataset() -> xarray.Dataset:
    sweep = make_sweep({"data.p_bursty": [0.0, 1.0], "model.kind": ["lstm", "gru"]})
    return sweep.assign_coords(strategy=("condition", ["ICL", "ICL", "IWL"]))


@pytest.mark.parametrize(("ending", "engine"), [("zarr", "zarr"), ("nc", "netcdf4")])
def test_arrays_come_back(dataset, tmp_path: Path, ending, engine):
    pytest.importorskip({"zarr": "zarr", "nc": "netCDF4"}[ending])
    export(dataset, tmp_path / f"array.{ending}")
    back = xarray.open_dataset(tmp_path / f"array.{ending}", engine=engine)
    for name in dataset.variables:
        np.testing.assert_array_equal(back[name].astype(dataset[name].dtype), dataset[name])
        assert back[name].dims == dataset[name].dims
    assert back.attrs["sweep"] == dataset.attrs["sweep"]


def test_a_table_has_a_row_for_each_number(dataset, tmp_path: Path):
    pytest.importorskip("pyarrow")
    export(dataset, tmp_path / "table.parquet")
    table = pandas.read_parquet(tmp_path / "table.parquet")
    assert len(table) == dataset.accuracy.size
    assert "strategy" not in table
    row = table.iloc[len(table) // 3]
    place = {dim: row[dim] for dim in dataset.accuracy.dims}
    assert row["accuracy"] == dataset.accuracy.sel(place).item()
    assert row["train_loss"] == dataset.train_loss.sel(
        {dim: place[dim] for dim in dataset.train_loss.dims}
    )


def test_a_table_leaves_out_arrays_with_axes_of_their_own(dataset, tmp_path: Path):
    """Those of a probe that is no longer listed, too: the dimensions count, not the table."""
    pytest.importorskip("pyarrow")
    old = dataset.accuracy.expand_dims(head=4).transpose(..., "head")
    strata = dataset.accuracy.expand_dims(stratum=10).transpose(..., "stratum")
    whole = dataset.assign(old_pattern=old, accuracy_by_frequency=strata)
    export(whole, tmp_path / "sweep.parquet")
    table = pandas.read_parquet(tmp_path / "sweep.parquet")
    assert len(table) == dataset.accuracy.size
    assert not {"head", "old_pattern", "stratum", "accuracy_by_frequency"} & set(table)
    run = whole.isel(dict.fromkeys(dataset.status.dims, 0), drop=True).drop_vars("status")
    export(run, tmp_path / "run.parquet")
    assert len(pandas.read_parquet(tmp_path / "run.parquet")) == run.accuracy.size


def test_mistakes_are_refused(dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with refused("array.csv", ".zarr, .nc, .parquet"):
        export(dataset, tmp_path / "array.csv")
    (tmp_path / "array.nc").write_text("")
    with refused("array.nc"):
        export(dataset, tmp_path / "array.nc")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with refused("table.parquet", ".[export]"):
        export(dataset, tmp_path / "table.parquet")
    assert not (tmp_path / "table.parquet").exists()
    assert set(FORMATS) == {"zarr", "nc", "parquet"}
