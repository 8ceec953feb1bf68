"""Figures of measures against what weights began as."""

import numpy as np
import pytest
import xarray

from icl.analysis.figures.initial_weights import draw_initial_weights

from ..synthetic import make_sweep, with_starts

KNOBS = {"rank": [1, 10, 100], "task.kind": ["a", "b"]}


def measured(knobs: dict[str, list]) -> xarray.Dataset:
    sweep = with_starts(make_sweep(knobs))
    return sweep.assign(kernel_alignment=sweep.accuracy, weight_change=1 - sweep.accuracy)


def test_a_point_for_each_value_a_column_for_each_of_the_other_knob():
    sweep = measured(KNOBS)
    figures = draw_initial_weights(sweep)
    assert list(figures) == ["starts_effective_rank"]
    panels = figures["starts_effective_rank"].axes
    assert len(panels) == 2 * 2  # kernel alignment and weight change of two tasks
    assert [panel.get_title().splitlines()[0] for panel in panels[:2]] == ["a", "b"]
    points = [container.lines[0] for container in panels[1].containers]
    starts = sweep.start_effective_rank.sel({"matrix": "recurrent", "task.kind": "b"})
    assert [point.get_xdata()[0] for point in points] == pytest.approx(starts.mean("seed").values)
    ends = sweep.kernel_alignment.isel(step=-1, condition=0).sel({"task.kind": "b"}).mean("seed")
    assert [point.get_ydata()[0] for point in points] == pytest.approx(ends.values)


@pytest.mark.parametrize("dims", [("task.kind", "rank"), ("rank", "task.kind")])
def test_an_axis_of_one_value_is_no_column(dims: tuple[str, str]):
    sweep = measured({dim: KNOBS[dim] for dim in dims})
    one = sweep.isel({"task.kind": [0]})
    panels = draw_initial_weights(one)["starts_effective_rank"].axes
    assert len(panels) == 2
    expected = draw_initial_weights(sweep.isel({"task.kind": 0}))["starts_effective_rank"].axes
    for panel, alone in zip(panels, expected, strict=True):
        assert panel.get_title(loc="left") == alone.get_title(loc="left")


def test_networks_with_matrices_of_their_own_are_drawn_together():
    sweep = measured(KNOBS)
    other = sweep.start_effective_rank.sel(matrix=["recurrent"]).assign_coords(matrix=["gates"])
    is_first = sweep["task.kind"] == "a"
    starts = xarray.concat(
        [sweep.start_effective_rank.where(is_first), other.where(~is_first)], "matrix"
    )
    merged = sweep.drop_vars(["start_effective_rank", "matrix"]).assign(start_effective_rank=starts)
    [figure] = draw_initial_weights(merged).values()
    whole = draw_initial_weights(sweep)["starts_effective_rank"]
    titles = [[panel.get_title(loc="left") for panel in of.axes] for of in (figure, whole)]
    assert titles[0] == titles[1]


def test_the_correlation_is_over_points_seed_by_seed():
    panels = draw_initial_weights(measured(KNOBS))["starts_effective_rank"].axes
    titles = [panel.get_title(loc="left") for panel in panels]
    assert [float(text.split("=")[1]) for text in titles] == [1, 1, -1, -1]


def test_seeds_without_a_number_are_left_out_of_the_order_and_counted():
    sweep = measured(KNOBS)
    sweep.kernel_alignment[{"rank": 0, "task.kind": 0, "seed": 1, "step": -1}] = np.nan
    panels = draw_initial_weights(sweep.assign(status=sweep.status))["starts_effective_rank"].axes
    assert panels[0].get_title(loc="left").endswith("(2 of 3 seeds)")
    assert panels[1].get_title(loc="left").endswith("1.00")


def test_a_knob_that_repeats_its_values_is_drawn_by_its_places():
    sweep = measured({"rank": [1, 1, 100]}).assign_coords({"gain": ("rank", [1, 2, 1])})
    panels = draw_initial_weights(sweep)["starts_effective_rank"].axes
    assert len(panels[0].containers) == 3
    assert panels[-1].get_xlabel() in ("", "effective rank of recurrent at the start")


@pytest.mark.parametrize(
    "sweep",
    [
        make_sweep(KNOBS),  # nothing is recorded of starts, and nothing measured
        with_starts(make_sweep(KNOBS)),
        measured(KNOBS).drop_vars("start_effective_rank"),
        measured(KNOBS).sel(matrix=["readout"]),  # which is always the same
        measured({"rank": [1]}),
        measured(KNOBS).assign(start_effective_rank=lambda of: of.start_effective_rank * np.nan),
    ],
)
def test_nothing_is_drawn_where_there_is_nothing_to_see(sweep: xarray.Dataset):
    assert draw_initial_weights(sweep) == {}
