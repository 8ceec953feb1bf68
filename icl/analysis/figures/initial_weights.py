"""Figures of rich and lazy learning against statistics of the initial weights."""

import itertools
from typing import Any

import numpy as np
import xarray
from matplotlib.figure import Figure

from icl.analysis.conditions import condition_names
from icl.analysis.figures.style import MARKERS, add_note, apply_style
from icl.analysis.statistics import band, rank_correlation
from icl.analysis.views import (
    Knob,
    colors_along,
    filled,
    knobs_of,
    some,
    text_of,
    what_is_shown,
)
from icl.config.claims import METRIC_LABELS, WEIGHT_STATISTICS

STATISTICS = ("effective_rank", "eigenvalue_rank")  # a figure for each
ROWS = ("kernel_alignment", "representation_alignment", "weight_change")
MAX_GROUPS, MAX_POINTS = 4, 10
VARIES = 1.05  # the largest over the smallest mean; a statistic that varies less is not drawn


def draw_initial_weights(dataset: xarray.Dataset) -> dict[str, Figure]:
    """A figure for each of STATISTICS that differs along some knob; none without measures.

    Each shows the first condition: a point for each value of the knob along which the statistic
    differs most, a column for each value of the first other knob. Points are means over seeds,
    further knobs and the matrices that differ; bars are 95 % intervals over seeds. Above each
    panel stands Spearman's correlation over all values of the knob, computed seed by seed.
    """
    measures = [name for name in ROWS if name in dataset]
    figures = {}
    for statistic in STATISTICS if measures else ():
        names = _varying(dataset, statistic)
        starts = _mean_over(dataset, statistic, names)
        knob, _ = _most_along(dataset, starts)
        if knob:
            of = names[0] if len(names) == 1 else f"{len(names)} matrices"
            label = f"{WEIGHT_STATISTICS[statistic]} of {of} at the start"
            figures[f"starts_{statistic}"] = _draw(dataset, starts, knob, measures, label)
    return figures


def _varying(dataset: xarray.Dataset, statistic: str) -> list[str]:
    """The matrices whose statistic differs along some knob."""
    if f"start_{statistic}" not in dataset:
        return []
    return [
        name
        for name in dataset.matrix.values.tolist()
        if _most_along(dataset, _mean_over(dataset, statistic, [name]))[1] > VARIES
    ]


def _mean_over(dataset: xarray.Dataset, statistic: str, names: list[str]) -> xarray.DataArray:
    """The mean statistic of each run over those of the matrices that its network has."""
    if not names:
        return xarray.full_like(dataset.status, np.nan, dtype=np.float64)
    return dataset[f"start_{statistic}"].sel(matrix=names).mean("matrix")


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
    dataset: xarray.Dataset, starts: xarray.DataArray, knob: Knob, measures: list[str], label: str
) -> Figure:
    other = next((k for k in knobs_of(dataset) if k != knob), None)
    places = some(len(other.texts), MAX_GROUPS) if other else [None]
    size = (2.4 * len(places) + 2.6, 2.1 * len(measures) + 0.4)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(measures), len(places), squeeze=False, sharex=True, sharey="row")
    condition = condition_names(dataset)[0]
    last = filled(dataset).isel(step=-1).sel(condition=condition)
    shown_along = {"seed", knob.name} | ({other.name} if other else set())
    further = [dim for dim in starts.dims if dim not in shown_along]
    for row, measure in zip(panels, measures, strict=True):
        y = last[measure]
        x = starts.where(y.notnull())  # of runs with both
        for axes, place in zip(row, places, strict=True):
            chosen = {other.name: place} if other else {}
            _draw_points(axes, x.isel(chosen).mean(further), y.isel(chosen).mean(further), knob)
            apply_style(axes)
        row[0].set_ylabel(METRIC_LABELS[measure])
        row[0].set_ylim(0, None if measure == "weight_change" else 1.02)  # of the row
    if other:
        for axes, place in zip(panels[0], places, strict=True):
            axes.set_title(f"{text_of(other, place)}\n", fontsize=8)
    panels[-1, 0].set_xlabel(label, loc="left")
    handles, texts = panels[0, 0].get_legend_handles_labels()
    look = {"fontsize": 7, "title_fontsize": 7, "frameon": False, "title": knob.label}
    figure.legend(handles, texts, loc="outside right center", **look)
    of_condition = f" on {condition}" if dataset.sizes["condition"] > 1 else ""
    correlation = r"$\rho$: Spearman's correlation, mean over seeds"
    parts = (f"at the end of training{of_condition}", what_is_shown(dataset, 2), correlation)
    add_note(figure, "; ".join(part for part in parts if part))
    return figure


def _draw_points(axes: Any, x: xarray.DataArray, y: xarray.DataArray, knob: Knob) -> None:
    """Draw a point for each value of the knob, and above them the rank correlation."""
    mean, low, high = (part.values for part in band(y))
    x_mean = x.mean("seed").values
    chosen = some(len(knob.texts), MAX_POINTS)
    colors = colors_along(knob, len(chosen))
    for place, color, marker in zip(chosen, colors, itertools.cycle(MARKERS), strict=False):
        reach = [[mean[place] - low[place]], [high[place] - mean[place]]]
        look = {"color": color, "markersize": 4.5, "elinewidth": 1, "label": knob.texts[place]}
        axes.errorbar([x_mean[place]], [mean[place]], reach, fmt=marker, **look)
    correlations = rank_correlation(x, y)
    if count := int(correlations.notnull().sum()):
        of_seeds = f" ({count} of {correlations.size} seeds)" if count < correlations.size else ""
        text = rf"$\rho$ = {float(correlations.mean()):.2f}{of_seeds}"
        axes.set_title(text, fontsize=7, loc="left")
