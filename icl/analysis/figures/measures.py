"""Figures of rich and lazy learning: measures at the end against a knob, and over training."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray
from matplotlib.figure import Figure

from icl.analysis.conditions import condition_names, first_conditions, own_metric, short_label
from icl.analysis.figures.style import MARKERS, add_note, apply_style, colors_of
from icl.analysis.statistics import band
from icl.analysis.views import (
    Knob,
    along,
    colors_along,
    filled,
    knobs_of,
    some,
    text_of,
    what_is_shown,
)
from icl.config.claims import MEASURES, METRIC_LABELS
from icl.config.parts import PARTS

COLUMNS = (  # measures shown, in this order; those of registered probes follow
    "weight_change",
    "representation_alignment",
    "kernel_alignment",
    "sign_similarity",
)
MAX_GROUPS, MAX_LINES, MAX_NAMES = 4, 5, 10
Group = tuple[str, str, xarray.DataArray]  # label, colour, (knob, seed)


def draw_measures(dataset: xarray.Dataset) -> dict[str, Figure]:
    """A figure for each knob with numbers as values, or for the knob of most values.

    Columns are the first condition of ICL and of IWL, if there are any, and the measures. The top
    row shows the end of training, with a line for each value of the first other knob, or for each
    condition where there is no other knob. The rows below show the first condition over training:
    a row for each value of the other knob, a line for each value of the knob. Means are over all
    further knobs, bands are 95 % intervals over seeds.
    """
    knobs = knobs_of(dataset)
    if not knobs or not set(MEASURES) & set(dataset):
        return {}
    numbers = [knob for knob in knobs if knob.scale != "names"]
    shown = numbers or [max(knobs, key=lambda knob: len(knob.texts))]
    return {
        f"measures_{knob.name}": _draw(dataset, knob, next((k for k in knobs if k != knob), None))
        for knob in shown
    }


def _draw(dataset: xarray.Dataset, knob: Knob, other: Knob | None) -> Figure:
    columns, colors = _columns(dataset), colors_of(condition_names(dataset))
    places = some(len(other.texts), MAX_GROUPS) if other else [None]
    width = 2.2 * len(columns) + (3.0 if knob.scale == "names" else 1.5)
    figure = Figure(figsize=(width, 2.3 * (1 + len(places))), layout="constrained")
    panels = figure.subplots(1 + len(places), len(columns), squeeze=False)
    for column, (title, values) in enumerate(columns.items()):
        limit = None if values.name == "weight_change" else 1.02
        groups = _groups(values.isel(step=-1), knob, other, colors)
        if knob.scale == "names":
            _draw_named_ends(panels[0, column], groups, knob, is_first=column == 0)
            panels[0, column].set_xlim(0, limit)
        else:
            _draw_ends(panels[0, column], groups, knob, is_first=column == 0)
            panels[0, column].set_ylim(0, limit)
        panels[0, column].set_title(title)
        for axes, place in zip(panels[1:, column], places, strict=True):
            chosen = {other.name: place} if other else {}
            _draw_courses(axes, values.isel(chosen), knob)
            axes.set_ylim(0, limit)
        for axes in panels[:, column]:
            apply_style(axes)
    panels[0, 0].set_ylabel("at the end")
    for axes, place in zip(panels[1:, 0], places, strict=True):
        axes.set_ylabel(f"over training\n{text_of(other, place)}" if other else "over training")
    for row, title in enumerate((other.label if other else "", knob.label)):
        handles, texts = panels[row, -1].get_legend_handles_labels()
        beside = {"loc": "upper left", "bbox_to_anchor": (1.02, 1), "frameon": False}
        panels[row, -1].legend(
            handles, texts, title=title, fontsize=6.5, title_fontsize=7, **beside
        )
    note, conditions = what_is_shown(dataset, 2), condition_names(dataset)
    if len(conditions) > 1:  # without another knob, each has a line in the top row
        note += f"; measures {'' if other else 'over training '}on {conditions[0]}"
    add_note(figure, note)
    return figure


def _columns(dataset: xarray.Dataset) -> dict[str, xarray.DataArray]:
    """The values of each column by its title: (knob, ..., seed, condition, step).

    Where there is room for one condition, the first is drawn.
    """
    shown = filled(dataset)
    columns = {
        short_label(dataset, name): shown[own_metric(dataset, name)].sel(condition=[name])
        for name in first_conditions(dataset).values()
    }
    names = [*COLUMNS, *(name for part in PARTS["probe"].values() for name in part.entries)]
    return columns | {METRIC_LABELS[name]: shown[name] for name in names if name in shown}


def _draw_ends(axes: Any, groups: Sequence[Group], knob: Knob, is_first: bool) -> None:
    """Draw the values at the end against a knob, its values at even distances."""
    places, order = np.arange(len(knob.texts)), np.argsort(knob.places)
    for i, (label, color, part) in enumerate(groups):
        mean, low, high = (side.values[order] for side in band(part))
        axes.fill_between(places, low, high, color=color, alpha=0.18, linewidth=0)
        look = {"marker": MARKERS[i % len(MARKERS)], "markersize": 4, "linewidth": 1.3}
        axes.plot(places, mean, color=color, label=label, **look)
    axes.set_xticks(places, [knob.texts[place] for place in order])
    if is_first:  # once: names of knobs are long
        axes.set_xlabel(knob.label, loc="left")


def _draw_named_ends(axes: Any, groups: Sequence[Group], knob: Knob, is_first: bool) -> None:
    """Draw the values at the end for a knob without an order: rows, read from above."""
    places = np.arange(len(knob.texts))
    for i, (label, color, part) in enumerate(groups):
        mean, low, high = (side.values for side in band(part))
        look = {"marker": MARKERS[i % len(MARKERS)], "markersize": 3.5, "elinewidth": 1.2}
        beside = places + 0.5 * ((i + 0.5) / len(groups) - 0.5)
        reach = np.stack([mean - low, high - mean])
        axes.errorbar(mean, beside, xerr=reach, label=label, color=color, linestyle="", **look)
    axes.set_yticks(places, knob.texts if is_first else [])
    axes.invert_yaxis()


def _groups(
    values: xarray.DataArray, knob: Knob, other: Knob | None, colors: dict[str, str]
) -> list[Group]:
    """Label, colour and (knob, seed) of each line. colors: of the conditions."""
    conditions = values.condition.values.tolist()
    if other is None:
        return [
            (name, colors[name], along(values.sel(condition=name), knob)) for name in conditions
        ]
    chosen = some(len(other.texts), MAX_GROUPS)
    first = values.sel(condition=conditions[0])
    texts = [other.texts[place] for place in chosen]
    return [
        (text, color, along(first.isel({other.name: place}), knob))
        for place, (text, color) in zip(chosen, colors_of(texts).items(), strict=True)
    ]


def _draw_courses(axes: Any, values: xarray.DataArray, knob: Knob) -> None:
    """Draw a line for each value of the knob against the training step."""
    first = values.isel(condition=0)
    mean, low, high = band(along(first, knob))
    order = np.argsort(knob.places)
    most = MAX_LINES if knob.scale != "names" else MAX_NAMES
    chosen = [order[i] for i in some(len(order), most)]
    for place, color in zip(chosen, colors_along(knob, len(chosen)), strict=True):
        line, bottom, top = (part.isel({knob.name: place}) for part in (mean, low, high))
        axes.plot(values.step, line, color=color, linewidth=1.3, label=knob.texts[place])
        axes.fill_between(values.step, bottom, top, color=color, alpha=0.15, linewidth=0)
    axes.set_xlabel("training step")
    axes.locator_params(axis="x", nbins=4)
