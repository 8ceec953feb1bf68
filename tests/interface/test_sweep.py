"""`icl.sweep` and `Sweep`: the same runs as the command, by the values on their axes."""

from pathlib import Path

import numpy as np
import pytest

import icl
from icl.config import AnyConfig
from icl.records import load

AXES = {"data.p_bursty": [0.0, 1.0], "seed": [0, 3]}


@pytest.fixture(scope="module")
def sweep(config: AnyConfig, programs_of_module: None) -> icl.Sweep:
    """Four small runs."""
    grid = {"base": config.model_dump(mode="json", exclude={"seed"}), "grid": AXES}
    claim = {"kind": "near", "text": "at chance", "condition": "no_support", "value": 0.5}
    claims = [claim | {"metric": "accuracy", "at": "final", "margin": 0.5}]
    return icl.sweep(grid | {"claims": claims}, progress=False)


def test_dimensions_have_no_dots(sweep: icl.Sweep):
    dataset = sweep.dataset
    assert dataset.accuracy.dims == ("p_bursty", "seed", "condition", "step")
    assert not [name for name in dataset.coords if "." in name]
    assert list(dataset.p_bursty) == [0, 1]
    assert np.all(dataset.status == "finished")
    kept = load(sweep.path).accuracy
    assert np.array_equal(dataset.accuracy, kept, equal_nan=True)


def test_a_run_by_its_values(sweep: icl.Sweep, run: icl.Run):
    """A cell is the run that one trains alone: the base has p_bursty of 1."""
    cell = sweep.run(p_bursty=1.0, seed=3)
    assert cell.config == run.config.model_copy(update={"data": cell.config.data})
    assert len(sweep.runs) == 4
    with pytest.raises(icl.UserError, match="2 runs; allowed: one value of each of"):
        sweep.run(p_bursty=1.0)
    with pytest.raises(icl.UserError, match="seed=7: 0 runs"):
        sweep.run(p_bursty=1.0, seed=7)


def test_a_table_has_a_row_for_each_run_condition_and_step(sweep: icl.Sweep):
    table = sweep.to_dataframe()
    sizes = sweep.dataset.sizes
    assert len(table) == 4 * sizes["condition"] * sizes["step"]
    assert {"p_bursty", "seed", "condition", "step", "accuracy"} <= {*table.columns}


def test_claims_and_figures(sweep: icl.Sweep, tmp_path: Path):
    assert [verdict.claim for verdict in sweep.verdicts] == ["at chance"]
    assert sweep.plot()._repr_png_()[:4] == b"\x89PNG"
    assert Path(sweep.path) / "report.html" in map(Path, sweep.report())
    assert repr(sweep) == f"<icl.Sweep {sweep.path}: 4 of 4 runs finished>"
    loaded = icl.load(sweep.save(tmp_path / "kept").path)
    assert isinstance(loaded, icl.Sweep)
    assert loaded.dataset.identical(sweep.dataset)


@pytest.mark.parametrize(
    ("ask", "line"),
    [
        (lambda: icl.sweep("quickstart"), "grid"),
        (lambda: icl.sweep({"grid": {"seed": []}}), "grid"),
        (lambda: icl.sweep("chan2022/burstiness", engine="gpu"), "engine = gpu; allowed: auto,"),
        (lambda: icl.sweep("chan2022/burstines"), "did you mean chan2022/burstiness?"),
    ],
)
def test_mistakes(ask, line: str):
    with pytest.raises(icl.UserError) as error:
        ask()
    assert line in error.value.args[0]
