"""Arrays for other tools, and learning curves sent elsewhere."""

import sys
from pathlib import Path

import numpy as np
import pandas
import pytest
import xarray

from icl.records.export import FORMATS, export
from icl.records.run_directory import RunDirectory
from icl.runs.loggers import LOGGERS, PACKAGES, check_loggers, numbers_of

from ..analysis.synthetic import make_sweep
from ..messages import refused

RECORD = {
    "step": 10,
    "train": {"loss": 2.0, "learning_rate": 0.1},
    "conditions": {"no_support": {"accuracy": 0.25, "loss": None, "by": [1.0]}},
}


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


def test_every_logger_tells_what_it_needs():
    assert set(PACKAGES) == set(LOGGERS)


def test_loggers_get_single_numbers_by_name():
    assert numbers_of(RECORD) == {
        "train/loss": 2.0,
        "train/learning_rate": 0.1,
        "no_support/accuracy": 0.25,
    }


def test_tensorboard_gets_the_curves(tmp_path: Path, small_config):
    pytest.importorskip("tensorboardX")
    with RunDirectory(tmp_path / "run", small_config()) as directory:
        directory.begin({})
        logger = LOGGERS["tensorboard"](directory)
        logger.log(10, numbers_of(RECORD))
        logger.close()
    (events,) = (tmp_path / "run" / "tensorboard").iterdir()
    assert b"no_support/accuracy" in events.read_bytes()


def test_weights_and_biases_gets_the_curves(tmp_path: Path, small_config, monkeypatch):
    pytest.importorskip("wandb", reason="wandb is not installed: pip install -e '.[log]'")
    monkeypatch.setenv("WANDB_MODE", "offline")
    with RunDirectory(tmp_path / "run", small_config()) as directory:
        directory.begin({})
        logger = LOGGERS["wandb"](directory)
        logger.log(10, numbers_of(RECORD))
        logger.close()
    (record,) = (tmp_path / "run" / "wandb").glob("offline-run-*/*.wandb")
    assert b"no_support/accuracy" in record.read_bytes()


def test_a_logger_that_is_not_installed_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with refused("--log = tensorboard", "pip install tensorboardX"):
        check_loggers(("tensorboard",))
