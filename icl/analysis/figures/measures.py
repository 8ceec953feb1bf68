"""How rich or lazy learning was, for print: measures at the end against a knob, and over time."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray
from matplotlib.figure import Figure

from icl.analysis.figures.style import MARKERS, add_note, apply_style, colors_of
from icl.analysis.statistics import band
from icl.analysis.views import (
    Knob,
    along,
    colors_along,
    conditions_of,
    filled,
    knobs_of,
    own_metric,
    short_label,
    some,
    strategy_of,
    told_value,
    what_is_shown,
)
from icl.config.claims import MEASURES, METRIC_LABELS

SHOWN = (
    "weight_change",
    "representation_alignment",
    "kernel_alignment",
    "sign_similarity",
)
MAX_GROUPS, MAX_LINES, MAX_NAMES = 4, 5, 10
Group = tuple[str, str, xarray.DataArray]  # label, colour, (knob, seed)


def draw_measures(dataset: xarray.Dataset) -> dict[str, Figure]:
    """A figure for each knob that is a number, or for the one of most values where none is.

    A column for each measure, and before them, of networks that learn from sequences, for ICL and
    IWL. Above at the end of training, a line for each value of the first other knob, or each
    condition where there is none; below over training, a row for each value of the other knob and
    in it a line for each value of the knob, of the first condition. Means are over all further
    knobs, bands 95 % over seeds.
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
    columns, colors = _columns(dataset), colors_of(conditions_of(dataset))
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
        axes.set_ylabel(f"over training\n{told_value(other, place)}" if other else "over training")
    for row, title in enumerate((other.label if other else "", knob.label)):
        handles, texts = panels[row, -1].get_legend_handles_labels()
        beside = {"loc": "upper left", "bbox_to_anchor": (1.02, 1), "frameon": False}
        panels[row, -1].legend(
            handles, texts, title=title, fontsize=6.5, title_fontsize=7, **beside
        )
    told, conditions = what_is_shown(dataset, 2), conditions_of(dataset)
    if len(conditions) > 1:  # above, each has a line of its own where there is no other knob
        told += f"; measures {'' if other else 'over training '}on {conditions[0]}"
    add_note(figure, told)
    return figure


def _columns(dataset: xarray.Dataset) -> dict[str, xarray.DataArray]:
    """What is shown, by its title: (knob, ..., seed, condition, step), first the condition shown
    where there is room for one.
    """
    shown = filled(dataset)
    firsts = {strategy_of(name): name for name in reversed(conditions_of(dataset))}
    columns = {
        short_label(name): shown[own_metric(dataset, name)].sel(condition=[name])
        for name in (firsts[strategy] for strategy in ("ICL", "IWL") if strategy in firsts)
    }
    return columns | {METRIC_LABELS[name]: shown[name] for name in SHOWN if name in dataset}


def _draw_ends(axes: Any, groups: Sequence[Group], knob: Knob, is_first: bool) -> None:
    """The number at the end against the knob, at even distances."""
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
    """The number at the end of each value of a knob that is none: rows, read from above."""
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
    conditions = conditions_of(values.to_dataset(name="values"))
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
    """A line for each value of the knob against the training step."""
    first = values.sel(condition=conditions_of(values.to_dataset(name="values"))[0])
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
