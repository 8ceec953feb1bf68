"""Arrays for other tools."""

import sys
from pathlib import Path

import numpy as np
import pandas
import pytest
import xarray

from icl.records.dataset import plain_names
from icl.records.export import FORMATS, export, to_table

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
    assert {"p_bursty", "kind"} < set(back.dims)
    expected = dataset.rename({"data.p_bursty": "p_bursty", "model.kind": "kind"})
    for name in expected.variables:
        np.testing.assert_array_equal(back[name].astype(expected[name].dtype), expected[name])
        assert back[name].dims == expected[name].dims
    assert back.attrs["sweep"] == dataset.attrs["sweep"]


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_a_table_has_a_row_for_each_number(dataset, tmp_path: Path, ending: str):
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    export(dataset, tmp_path / f"table.{ending}")
    read = {"parquet": pandas.read_parquet, "csv": pandas.read_csv}[ending]
    table = read(tmp_path / f"table.{ending}")
    assert len(table) == dataset.accuracy.size
    keys = ["p_bursty", "kind", "seed", "condition", "step"]
    assert list(table.columns[: len(keys)]) == keys
    assert not table.duplicated(keys).any()
    assert "strategy" not in table
    row = table.iloc[len(table) // 3]
    place = {dim: row[key] for dim, key in zip(dataset.accuracy.dims, keys, strict=True)}
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


def test_a_single_run_is_a_table_of_its_evaluations(dataset):
    """Whatever axes of their own some of its arrays have."""
    place = dict.fromkeys(dataset.status.dims, 0)
    strata = dataset.accuracy.expand_dims(stratum=10).transpose(..., "stratum")
    whole = dataset.assign(accuracy_by_frequency=strata)
    run = whole.isel(place, drop=True).drop_vars("status")
    table = to_table(run)
    assert len(table) == run.sizes["condition"] * run.sizes["step"]
    assert list(table.columns[:2]) == ["condition", "step"]
    np.testing.assert_array_equal(table["accuracy"], run.accuracy.values.ravel())


@pytest.mark.parametrize(
    ("names", "plain"),
    [
        (["data.p_bursty", "seed"], ["p_bursty", "seed"]),
        (
            ["model.kind", "data.source.kind", "model.width"],
            ["model_kind", "data_source_kind", "width"],
        ),
        (["data.loss"], ["data_loss"]),  # a variable has this name
        (["connectivity.block*/mixer/qkv/*"], ["block_mixer_qkv"]),
        (
            ["connectivity.block*/mlp_in.rank", "connectivity.block*/mlp_out.rank"],
            ["connectivity_block_mlp_in_rank", "connectivity_block_mlp_out_rank"],
        ),
    ],
)
def test_names_are_plain_and_none_is_lost(names: list[str], plain: list[str]):
    shape = tuple(range(2, 2 + len(names)))
    dataset = xarray.Dataset(
        {"loss": (names, np.zeros(shape))},
        coords={name: np.arange(size) for name, size in zip(names, shape, strict=True)},
    )
    # Knobs that vary together have one dimension, and each a coordinate.
    dataset = dataset.assign_coords({"training.warmup_steps": (names[0], np.arange(2) * 10)})
    found = plain_names(dataset)
    assert found.loss.dims == tuple(plain)
    assert set(found.coords) == {*plain, "warmup_steps"}
    assert found.warmup_steps.dims == (plain[0],)
    assert found.loss.shape == shape


def test_mistakes_are_refused(dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with refused("array.xlsx", ".zarr, .nc, .parquet, .csv"):
        export(dataset, tmp_path / "array.xlsx")
    (tmp_path / "array.nc").write_text("")
    with refused("array.nc"):
        export(dataset, tmp_path / "array.nc")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with refused("table.parquet", ".[export]"):
        export(dataset, tmp_path / "table.parquet")
    assert not (tmp_path / "table.parquet").exists()
    assert set(FORMATS) == {"zarr", "nc", "parquet", "csv"}
