"""How rich or lazy learning was against what weights began as, for print."""

import itertools
from typing import Any

import numpy as np
import xarray
from matplotlib.figure import Figure

from icl.analysis.starts import start_of
from icl.analysis.statistics import band, rank_correlation, t_interval
from icl.analysis.style import MARKERS, apply_style, tell_above
from icl.analysis.views import Knob, colors_along, conditions_of, filled, knobs_of, some
from icl.config.claims import METRICS, STARTS

NUMBERS = ("effective_rank", "eigenvalue_rank")
SHOWN = ("kernel_alignment", "representation_alignment", "weight_change")
MAX_GROUPS, MAX_POINTS = 4, 10
VARIES = 1.05  # the largest over the smallest mean, from where on there is something to draw


def draw_starts(dataset: xarray.Dataset) -> dict[str, Figure]:
    """A figure for each of NUMBERS that differs along some knob; none without measures.

    A point for each value of the knob along which it differs most, a column for each value of the
    first other knob: means over seeds and further knobs, bars 95 % over seeds, of the first
    condition. Above each panel Spearman's correlation over the points, seed by seed.
    """
    measures = [name for name in SHOWN if name in dataset]
    figures = {}
    for number in NUMBERS if measures else ():
        starts = _varying(dataset, number)
        if starts is not None:
            figures[f"starts_{number}"] = _draw(dataset, starts, number, measures)
    return figures


def _varying(dataset: xarray.Dataset, number: str) -> xarray.DataArray | None:
    """The mean over the matrices of which the number differs along some knob."""
    if f"start_{number}" not in dataset:
        return None
    chosen = [
        name
        for name in dataset.matrix.values.tolist()
        if _most_along(dataset, start_of(dataset, number, name))[1] > VARIES
    ]
    if not chosen:
        return None
    return dataset[f"start_{number}"].sel(matrix=chosen).mean("matrix")


def _most_along(dataset: xarray.Dataset, starts: xarray.DataArray) -> tuple[Knob | None, float]:
    """The knob along which means differ most, and the largest over the smallest of them."""
    found: tuple[Knob | None, float] = (None, 1.0)
    for knob in knobs_of(dataset):
        means = starts.mean([dim for dim in starts.dims if dim != knob.name]).dropna(knob.name)
        is_there = means.size > 0 and bool((means > 0).all())
        ratio = float(means.max() / means.min()) if is_there else 1.0
        found = max(found, (knob, ratio), key=lambda of: of[1])
    return found


def _draw(
    dataset: xarray.Dataset, starts: xarray.DataArray, number: str, measures: list[str]
) -> Figure:
    knob, _ = _most_along(dataset, starts)
    assert knob is not None
    other = next((k for k in knobs_of(dataset) if k != knob), None)
    places = some(len(other.texts), MAX_GROUPS) if other else [None]
    size = (2.4 * len(places) + 2.6, 2.1 * len(measures) + 0.4)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(measures), len(places), squeeze=False, sharex=True, sharey="row")
    condition = conditions_of(dataset)[0]
    last = filled(dataset).isel(step=-1).sel(condition=condition)
    for row, measure in zip(panels, measures, strict=True):
        for axes, place in zip(row, places, strict=True):
            chosen = {other.name: place} if other else {}
            kept = (knob.name, "seed")
            x, y = (
                values.isel(chosen).mean([d for d in values.dims if d not in (*kept, *chosen)])
                for values in (starts, last[measure])
            )
            _draw_points(axes, x, y.transpose(*kept), knob)
            apply_style(axes)
        row[0].set_ylabel(METRICS[measure])
        row[0].set_ylim(0, None if measure == "weight_change" else 1.02)  # of the whole row
    for axes, place in zip(panels[0], places, strict=True):
        if other:
            axes.set_title(f"{other.texts[place]}\n{axes.get_title()}", fontsize=8)
    for axes in panels[-1]:
        axes.set_xlabel(f"{STARTS[number]} at the start")
    handles, texts = panels[0, 0].get_legend_handles_labels()
    look = {"fontsize": 7, "title_fontsize": 7, "frameon": False, "title": knob.label}
    figure.legend(handles, texts, loc="outside right center", **look)
    tell_above(figure, _note(dataset, condition))
    return figure


def _draw_points(axes: Any, x: xarray.DataArray, y: xarray.DataArray, knob: Knob) -> None:
    """A point for each value of the knob, and above how they are ordered."""
    mean, low, high = (part.values for part in band(y))
    x_mean = x.mean("seed").sel({knob.name: y[knob.name]}).values
    chosen = some(len(knob.texts), MAX_POINTS)
    colors = colors_along(knob, len(chosen))
    for place, color, marker in zip(chosen, colors, itertools.cycle(MARKERS), strict=False):
        reach = [[mean[place] - low[place]], [high[place] - mean[place]]]
        look = {"color": color, "markersize": 4.5, "elinewidth": 1, "label": knob.texts[place]}
        axes.errorbar([x_mean[place]], [mean[place]], reach, fmt=marker, **look)
    correlation = t_interval(rank_correlation(x.transpose(*y.dims), y).values)
    if np.isfinite(correlation.mean):
        axes.set_title(rf"$\rho$ = {correlation.mean:.2f}", fontsize=7, loc="left")


def _note(dataset: xarray.Dataset, condition: str) -> str:
    of_condition = f" on {condition}" if dataset.sizes["condition"] > 1 else ""
    return (
        f"at the end of training{of_condition}; bars: 95 % t intervals over seeds; "
        r"$\rho$: Spearman's correlation over the points, mean over seeds"
    )
