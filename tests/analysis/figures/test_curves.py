"""The learning curves of a run."""

import numpy as np
import pytest
import xarray
from matplotlib.figure import Figure

from icl.analysis.figures.curves import _chances, draw_curves

STEPS = np.arange(4) * 10


def run_of(conditions: list[str], *measures: str) -> xarray.Dataset:
    shape = (len(conditions), len(STEPS))
    names = ["accuracy", "accuracy_stderr", "accuracy_chance", "loss", "loss_stderr", *measures]
    rng = np.random.default_rng(0)
    return xarray.Dataset(
        {name: (("condition", "step"), rng.random(shape)) for name in names}
        | {"train_loss": (("step",), rng.random(len(STEPS)))},
        coords={
            "condition": conditions,
            "step": STEPS,
            "strategy": ("condition", [""] * len(conditions)),
        },
    )


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch):
    """(run) -> the figure of which the PNG is made."""
    figures: list[Figure] = []

    def draw(run: xarray.Dataset) -> Figure:
        monkeypatch.setattr(
            "icl.analysis.figures.curves.to_png", lambda figure: figures.append(figure) or b""
        )
        draw_curves(run)
        return figures.pop()

    return draw


def test_alignments_have_a_panel_that_explains_them(drawn):
    run = run_of(["task"], "representation_alignment", "kernel_alignment")
    _, _, panel = drawn(run).axes
    of_run = [line for line in panel.lines if len(line.get_xdata())]
    for line, name in zip(of_run, ("representation_alignment", "kernel_alignment"), strict=True):
        np.testing.assert_array_equal(line.get_ydata(), run[name].values[0])
    assert of_run[0].get_linestyle() != of_run[1].get_linestyle()
    texts = [text.get_text() for text in panel.get_legend().get_texts()]
    assert texts == ["RA: representation alignment", "KA: kernel alignment"]
    assert "lazy" in panel.get_title()
    assert "rich" in panel.get_title()


def test_each_condition_has_its_colour_in_all_panels(drawn):
    accuracy, _, panel = drawn(run_of(["flip", "train"], "kernel_alignment")).axes
    colors = [line.get_color() for line in accuracy.lines[:3:2]]
    assert [line.get_color() for line in panel.lines if len(line.get_xdata())] == colors
    (text,) = panel.get_legend().get_texts()
    assert text.get_text() == "KA: kernel alignment"


def test_without_alignments_there_are_accuracy_and_loss(drawn):
    figure = drawn(run_of(["train"], "weight_change"))
    assert [axes.get_title() for axes in figure.axes] == ["accuracy (dotted: chance)", "loss"]


def test_chance_is_a_line_for_each_of_its_values():
    steps = {"step": [0, 10]}
    old = xarray.Dataset({"accuracy_chance": ("step", [0.5, 0.5])}, steps)
    assert _chances(old, "accuracy") == {0.5}
    # Records that an earlier release began lack the chance among all outputs.
    both = old.assign(accuracy_chance_all=("step", [np.nan, 1 / 3]))
    assert _chances(both, "accuracy") == {0.5, 1 / 3}
    assert _chances(old.assign(accuracy_chance_all=old.accuracy_chance), "accuracy") == {0.5}
    assert _chances(both.isel(step=[0]), "accuracy") == {0.5}
