"""Several grids at a look: the numbers of each panel, what its values are called, its drawing."""

import json
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import xarray
from scipy import stats

from icl.analysis.figures.overview import draw_alone, draw_overview, looks_of
from icl.analysis.overview import Panel, described, panels_of
from icl.config.conditions import STANDARD

from .synthetic import CONDITIONS, make_sweep, without


def panel_of(dataset: xarray.Dataset) -> Panel:
    [panel] = panels_of({"grid": dataset})
    return panel


@pytest.fixture(scope="module")
def panels() -> list[Panel]:
    sweeps = {
        "numbers": make_sweep({"n": [1, 10, 100]}),
        "networks": make_sweep({"model.kind": ["transformer", "lstm"]}),
        "steps": make_sweep({}),
        "other": make_sweep({"n": [1, 2]}).assign_coords(condition=["flip", "no_support", "mine"]),
    }
    return panels_of(sweeps)


def test_means_and_intervals_are_of_the_last_step_over_seeds():
    sweep = make_sweep({"data.p": [0.3, 0.1, 0.2]}, num_seeds=4)
    panel = panel_of(sweep)
    assert list(panel.traces) == ["fewshot_holdout", "no_support"]
    for condition, metric in (
        ("fewshot_holdout", "accuracy_in_context"),
        ("no_support", "accuracy"),
    ):
        values = sweep[metric].sel(condition=condition).isel(step=-1).values[[1, 2, 0]]
        ends = stats.t.interval(0.95, 3, values.mean(1), stats.sem(values, axis=1))
        trace = panel.traces[condition]
        np.testing.assert_allclose(trace.mean, values.mean(1))
        np.testing.assert_allclose([trace.low, trace.high], ends)
        chance = 0.5 if condition == "fewshot_holdout" else 0.02
        np.testing.assert_allclose(trace.chance, chance)


def test_other_knobs_are_averaged_and_named():
    sweep = make_sweep()
    panel = panel_of(sweep)
    means = sweep.accuracy.sel(condition="no_support").isel(step=-1)
    expected = means.mean(["data.zipf_exponent", "seed"])
    np.testing.assert_allclose(panel.traces["no_support"].mean, expected)
    assert panel.axis == "p_bursty"
    assert panel.note == "mean over zipf_exponent"


@pytest.mark.parametrize(
    ("values", "kind", "texts"),
    [
        ([100, 12800, 400], "numbers", ["100", "400", "12800"]),
        ([0.0, 0.75, 1e-4], "numbers", ["0", "0.0001", "0.75"]),
        (["lstm", "gru"], "categories", ["lstm", "gru"]),
        (["false", "true"], "categories", ["false", "true"]),
        ([json.dumps({"kind": kind, "width": 8}) for kind in ("rnn", "gru")], "categories", None),
        ([json.dumps({"kind": "rnn", "width": width}) for width in (8, 4)], "numbers", None),
        (["a_name_of_a_network", "b"], "categories", ["a_name_of_a_net…", "b"]),
    ],
)
def test_values_stand_at_even_distances_under_short_names(
    values: list[Any], kind: str, texts: list[str] | None
):
    panel = panel_of(make_sweep({"model": values}))
    settings = {"categories": ["rnn", "gru"], "numbers": ["4", "8"]}
    assert (panel.kind, panel.texts) == (kind, texts or settings[kind])
    assert panel.places.tolist() == list(range(len(values)))
    assert panel.axis == ("model" if texts else {"categories": "kind", "numbers": "width"}[kind])


def test_knobs_that_vary_together_are_named_as_far_as_they_differ():
    together = make_sweep({"data.n": [1, 10]}).assign_coords({"data.other": ("data.n", [3, 4])})
    assert (panel_of(together).axis, panel_of(together).texts) == ("n", ["1", "10"])
    cells = make_sweep({"cell": [0, 1, 2]}).assign_coords(
        {
            "data.exemplars": ("cell", ["single", "single", "all"]),
            "data.same": ("cell", [1, 1, 1]),
            "data.noise": ("cell", [0.0, 0.3, 0.0]),
            "data.needless": ("cell", [1, 2, 3]),
        }
    )
    panel = panel_of(cells)
    assert panel.axis == "exemplars / noise"
    assert panel.texts == ["single / 0", "single / 0.3", "all / 0"]
    panel = panel_of(make_sweep({"cell": [0, 1]}))  # no setting is at hand
    assert (panel.axis, panel.texts) == ("cell", ["0", "1"])


def test_a_grid_without_knobs_is_shown_along_training():
    sweep = make_sweep({})
    panel = panel_of(sweep)
    assert panel.kind == "steps"
    assert panel.places.tolist() == sweep.step.values.tolist()
    expected = sweep.accuracy.sel(condition="no_support").mean("seed")
    np.testing.assert_allclose(panel.traces["no_support"].mean, expected)


def test_conditions_of_other_names_are_shown_with_their_own_metric():
    sweep = make_sweep({"n": [1, 2]}).assign_coords(condition=["flip", "mine", "third"])
    sweep["accuracy_in_context"] = sweep.accuracy / 2
    traces = panel_of(sweep).traces
    assert list(traces) == ["flip", "mine"]
    expected = sweep.accuracy_in_context.sel(condition="flip").isel(step=-1).mean("seed")
    np.testing.assert_allclose(traces["flip"].mean, expected)


def test_what_is_claimed_is_shown_too():
    claim = {"kind": "rises", "along": "data.p_bursty", "text": "it rises"}
    about = [
        claim | {"condition": "fewshot_train", "metric": "accuracy"},
        claim | {"condition": "no_support", "metric": "accuracy_in_context"},
    ]
    assert list(panel_of(make_sweep(claims=about)).traces) == [*STANDARD.values(), "fewshot_train"]
    of_loss = [claim | {"condition": "fewshot_train", "metric": "loss"}]
    assert list(panel_of(make_sweep(claims=of_loss)).traces) == list(STANDARD.values())


def test_what_is_not_finished_is_left_out_and_named():
    sweep = make_sweep({"n": [1, 2, 3]}, num_seeds=2)
    panel = panel_of(without(sweep, "partial", n=1))
    assert np.isnan(panel.traces["no_support"].mean).tolist() == [False, True, False]
    assert panel.note == "4 of 6 runs"
    assert "none" in described(panel)
    empty = make_sweep({"n": [1, 2]}).isel(step=slice(0))
    assert panels_of({"no runs": without(sweep, n=slice(None)), "no steps": empty}) == []


def test_a_condition_looks_the_same_everywhere(panels: list[Panel]):
    looks = looks_of(panels)
    assert set(looks) == {*CONDITIONS[::2], "flip"}
    assert len(set(looks.values())) == len(looks)
    figure = draw_overview(panels)
    for axes, panel in zip(figure.axes, panels, strict=False):
        drawn = {line.get_color() for line in axes.lines}
        assert drawn == {looks[condition][0] for condition in panel.traces}
        assert axes.get_ylim() == (-0.03, 1.03)
    assert [axes.get_visible() for axes in figure.axes] == [True] * 4 + [False] * 2


def test_panels_alone_have_one_width_and_their_axes_at_one_height(panels: list[Panel]):
    images = [ElementTree.fromstring(content) for content in draw_alone(panels)]
    assert len(images) == len(panels)
    assert len({image.get("width") for image in images}) == 1
    name = "{http://www.w3.org/2000/svg}g"
    frames = [next(g for g in image.iter(name) if g.get("id") == "patch_2") for image in images]
    assert len({frame[0].get("d") for frame in frames}) == 1


def test_a_panel_is_described_in_words():
    sweep = make_sweep({"data.p_bursty": [0.0, 1.0]}, noise=0.0)
    assert described(panel_of(sweep)) == (
        "grid: accuracy at the end of training at p_bursty 0, 1. ICL: fewshot_holdout: 0.50, 0.79 "
        "(chance 0.5); IWL: no_support: 0.92, 0.02 (chance 0.02)."
    )
