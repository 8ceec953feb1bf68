"""A probe is a module with `measure` and an entry of PROBES; its arrays keep their axes."""

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
from icl.records.run_directory import METRICS, read_lines
from icl.runs.progress import Progress
from icl.runs.run import train

from ..messages import refused


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
        "evaluation.probes=[looks]", "training.num_steps=10", "checkpoints.every=10"
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
