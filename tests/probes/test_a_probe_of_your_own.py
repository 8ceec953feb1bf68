"""A probe is a module with `measure` and an entry of PROBES; its arrays keep their axes."""

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import jax.numpy as jnp
import numpy as np
import pytest

from icl.config import EvaluationConfig
from icl.config.probes import PROBES, Measure
from icl.probes.view import View
from icl.records import load
from icl.records.lines import read_lines
from icl.records.run_directory import METRICS
from icl.runs.progress import Progress
from icl.runs.run import train

from ..conftest import QUICKSTART
from ..messages import check_line, refused


def measure(view: View) -> dict[str, jnp.ndarray]:
    """Attention of the query by head, and how often its class is in the context."""
    assert view.indices is not None
    pattern = view.apply(view.variables, view.inputs)[1]["block0/attention"]
    classes = view.indices.classes
    return {
        "query_attention": pattern[:, :, -1].mean(axis=0),
        "support": (classes[:, :-1] == classes[:, -1:]).sum(axis=1).mean(),
    }


@pytest.fixture
def attention(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("icl.probes.looks")
    module.measure = measure  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "icl.probes.looks", module)
    numbers = {"query_attention": Measure("attention", ("head", "token")), "support": Measure("n")}
    monkeypatch.setitem(PROBES, "looks", numbers)


@pytest.mark.usefixtures("attention")
def test_its_arrays_are_recorded_and_loaded_with_their_axes(small_config, tmp_path: Path):
    config = small_config(
        "evaluation.probes=[looks]",
        "evaluation.conditions=[fewshot_holdout, no_support]",
        "data.p_bursty=1",
        "training.num_steps=10",
        "checkpoints.every=10",
    )
    train(config, tmp_path, Progress())
    record = read_lines(tmp_path / METRICS)[-1]
    assert record["axes"] == {"query_attention": ["head", "token"]}
    dataset = load(tmp_path)
    assert dataset.query_attention.dims == ("condition", "step", "head", "token")
    assert dataset.query_attention.sizes["head"] == 2
    longest = dataset.query_attention.sel(condition="fewshot_holdout").isel(step=-1)
    np.testing.assert_allclose(longest.sum("token"), 1, rtol=1e-5)
    assert float(dataset.support.sel(condition="no_support").isel(step=-1)) == 0
    assert float(dataset.support.sel(condition="fewshot_holdout").isel(step=-1)) == 4


# In a process of its own: the tables of metrics are made from PROBES when they are imported.
REPORT = """
import json, sys
from pathlib import Path
from icl.config.probes import PROBES, Measure

PROBES["looks"] = {
    "query_attention": Measure("attention of the query", ("head", "token")),
    "support": Measure("items of the query's class"),
}
from icl.analysis.report import make
from icl.analysis.report.interactive import figure_data
from icl.config.sweeps import SweepConfig
from icl.config.yaml import parse
from icl.errors import UserError
from tests.analysis.synthetic import make_sweep

claim = {"kind": "above", "text": "It is there", "condition": "no_support", "threshold": 0.0}
knobs = {"data.p_bursty": [0.0, 1.0], "data.zipf_exponent": [0.0, 1.0]}
sweep = make_sweep(knobs, num_steps=3, claims=[claim | {"metric": "support"}])
attention = sweep.accuracy.expand_dims(head=2, token=5).transpose(..., "head", "token")
sweep = sweep.assign(query_attention=attention, support=sweep.accuracy + 1)
make._figures = lambda datasets: {}  # drawing takes seconds
folder = Path(sys.argv[1])
report = make.write_report({"synthetic": sweep}, {}, folder, folder / "report.html")
print(*(verdict.verdict for verdict in report.verdicts["synthetic"]))
print(*figure_data(sweep)["metrics"])
try:
    parse({"claims": [claim | {"metric": "query_attention"}]}, SweepConfig)
except UserError as error:
    print(error)
"""


def test_figures_and_claims_take_its_single_numbers(tmp_path: Path, environment: dict[str, str]):
    """A report over two knobs, with an array beside the metrics."""
    done = subprocess.run(
        [sys.executable, "-c", REPORT, str(tmp_path)],
        cwd=QUICKSTART.parent.parent,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    verdicts, metrics, refusal = done.stdout.splitlines()
    assert verdicts == "pass"
    assert "support" in metrics.split()
    assert "query_attention" not in metrics.split()
    check_line(refusal, "claims.0.metric = query_attention", "accuracy", "support")


@pytest.mark.parametrize(
    ("settings", "probes"),
    [
        ({}, ()),
        ({"measures": False}, ()),
        ({"measures": True}, ("weights", "representations", "kernels")),
        ({"probes": ["kernels", "weights"]}, ("weights", "kernels")),
        ({"measures": False, "probes": ["kernels"]}, ("kernels",)),
    ],
)
def test_the_switch_of_earlier_releases_is_read(settings: dict, probes: tuple[str, ...]):
    assert EvaluationConfig.model_validate(settings).probes == probes


def test_a_probe_that_is_not_there_is_refused(small_config):
    with refused("evaluation.probes = looks", "weights"):
        small_config("evaluation.probes=[looks]")


def test_the_switch_and_a_list_do_not_go_together():
    with pytest.raises(ValueError, match=r"evaluation\.measures = true"):
        EvaluationConfig.model_validate({"measures": True, "probes": ["kernels"]})
