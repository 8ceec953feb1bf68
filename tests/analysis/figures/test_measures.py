"""Figures of how rich or lazy learning was, for knobs that are numbers and for others."""

import pytest
import xarray

from icl.analysis.figures.measures import draw_measures

from ..synthetic import make_sweep

MEASURES = ("weight_change", "representation_alignment", "kernel_alignment")


def measured(knobs: dict[str, list]) -> xarray.Dataset:
    """A sweep of a task, so that no condition is one for ICL or IWL."""
    sweep = make_sweep(knobs).assign_coords(condition=["task", "other", "third"])
    return sweep.assign(dict.fromkeys(MEASURES, sweep.accuracy))


def test_numbers_have_lines_at_the_end_and_a_row_of_courses_for_each_other_value():
    sweep = measured({"task.kind": ["a", "b"], "rank": [1, 10, 100]})
    figures = draw_measures(sweep)
    assert list(figures) == ["measures_rank"]
    panels = figures["measures_rank"].axes
    assert len(panels) == 3 * len(MEASURES)  # the end, and task by task
    assert len(panels[0].lines) == 2
    ends = sweep.weight_change.isel(step=-1, condition=0).mean("seed").sel({"task.kind": "b"})
    assert panels[0].lines[1].get_ydata() == pytest.approx(ends.values)
    of_b = panels[2 * len(MEASURES)]
    assert [line.get_label() for line in of_b.lines] == ["1", "10", "100"]
    assert of_b.get_ylabel() == "over training\nb"
    course = sweep.weight_change.isel(condition=0).mean("seed").sel({"task.kind": "b", "rank": 10})
    assert of_b.lines[1].get_ydata() == pytest.approx(course.values)


def test_rows_of_numbers_tell_of_what():
    figures = draw_measures(measured({"data.p_bursty": [0.9, 1.0], "recurrent.gain": [1, 4]}))
    labels = [
        figures[f"measures_{name}"].axes[-len(MEASURES)].get_ylabel()
        for name in ("data.p_bursty", "recurrent.gain")
    ]
    assert labels == ["over training\ngain 4", "over training\np_bursty 1"]


def test_networks_on_sequences_have_both_strategies_beside_their_measures():
    sweep = make_sweep({"data.p_bursty": [0.9, 1.0], "gain": [1, 4]})
    sweep = sweep.assign(kernel_alignment=1 - sweep.accuracy)
    panels = draw_measures(sweep)["measures_gain"].axes
    titles = [panel.get_title() for panel in panels[:3]]
    assert titles == ["ICL: fewshot_holdout", "IWL: no_support", "kernel alignment"]
    mean = sweep.mean("seed").sel({"data.p_bursty": 1.0, "gain": 4})
    for panel, condition in ((6, "fewshot_holdout"), (7, "no_support")):
        course = panels[panel].lines[1].get_ydata()
        assert course == pytest.approx(mean.accuracy.sel(condition=condition).values)
    course = panels[8].lines[1].get_ydata()
    assert course == pytest.approx(mean.kernel_alignment.sel(condition="fewshot_holdout").values)


def test_a_condition_has_one_colour_and_each_strategy_its_first():
    sweep = make_sweep({"gain": [1, 4]}).assign_coords(
        condition=["train", "mine", "third"], strategy=("condition", ["", "ICL", "ICL"])
    )
    panels = draw_measures(sweep.assign(kernel_alignment=sweep.accuracy))["measures_gain"].axes
    assert [panel.get_title() for panel in panels[:2]] == ["ICL: mine", "kernel alignment"]
    [alone] = [line.get_color() for line in panels[0].lines]
    assert [line.get_color() for line in panels[1].lines].index(alone) == 1


def test_where_no_knob_is_a_number_the_one_of_most_values_is_drawn_in_rows():
    sweep = measured({"task.kind": ["a", "b"], "cell": [0, 1, 2]}).assign_coords(
        {"start": ("cell", ["gaussian", "dale", "motifs"])}
    )
    figures = draw_measures(sweep)
    assert list(figures) == ["measures_cell"]
    first = figures["measures_cell"].axes[0]
    assert [text.get_text() for text in first.get_yticklabels()] == ["gaussian", "dale", "motifs"]
    ends = sweep.weight_change.isel(step=-1, condition=0).mean("seed").sel({"task.kind": "a"})
    assert first.lines[0].get_xdata() == pytest.approx(ends.values)


def test_the_condition_is_named_where_there_are_several():
    sweep = measured({"task.kind": ["a", "b"], "rank": [1, 10, 100]})
    assert sweep.sizes["condition"] > 1
    one, two = sweep.condition.values[:1].tolist(), sweep.condition.values[:2].tolist()
    for knob, conditions, named in (
        (["a", "b"], two, f"; measures on {two[0]}"),
        (["a"], two, f"; measures over training on {two[0]}"),
        (["a", "b"], one, None),
    ):
        chosen = sweep.sel({"task.kind": knob, "condition": conditions})
        chosen = chosen.squeeze("task.kind", drop=True) if len(knob) == 1 else chosen
        text = draw_measures(chosen)["measures_rank"].get_suptitle()
        assert text.endswith(named) if named else f"on {one[0]}" not in text


def test_without_measures_or_knobs_nothing_is_drawn():
    assert draw_measures(make_sweep({"rank": [1, 10]})) == {}
    assert draw_measures(measured({})) == {}
