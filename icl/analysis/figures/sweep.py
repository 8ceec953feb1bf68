"""Figures of a sweep for print: learning curves, effects of knobs, phase diagrams."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import xarray
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from icl.analysis.conditions import (
    condition_names,
    full_label,
    main_conditions,
    own_metric,
    short_label,
)
from icl.analysis.figures.formats import NotebookFigure
from icl.analysis.figures.initial_weights import draw_initial_weights
from icl.analysis.figures.measures import draw_measures
from icl.analysis.figures.style import MARKERS, MAX_TICKS, WIDTH, add_note, apply_style, colors_of
from icl.analysis.statistics import band
from icl.analysis.views import (
    Knob,
    along,
    chance_along,
    colors_along,
    filled,
    is_empty,
    knobs_of,
    some,
    what_is_shown,
)
from icl.config.claims import METRIC_LABELS

MAX_LINES, MAX_KNOBS, MAX_PAIRS, MAX_NAMES = 7, 4, 3, 16
DASHES = ("-", "--", "-.", ":")


def draw_all(dataset: xarray.Dataset) -> dict[str, Figure]:
    """Every figure of a sweep by the name of its file; none before the first evaluation."""
    if is_empty(dataset):
        return {}
    knobs = knobs_of(dataset)[:MAX_KNOBS]
    lines: list[Knob | None] = [*knobs] or [None]
    figures = {
        f"curves_{knob.name}" if knob else "curves": draw_curves_along(dataset, knob)
        for knob in lines
    }
    if knobs:
        figures["effects"] = draw_effects(dataset, knobs)
    for x, y in list(itertools.combinations(knobs, 2))[:MAX_PAIRS]:
        figures[f"phase_{x.name}_{y.name}"] = draw_phase(dataset, x, y)
    return figures | draw_measures(dataset) | draw_initial_weights(dataset)


def draw_curves_along(dataset: xarray.Dataset, knob: Knob | None) -> Figure:
    """Each condition's metric against training step, a line for each value of a knob.

    Bands are 95 % intervals over seeds; dotted lines are chance.
    """
    conditions, shown = condition_names(dataset), filled(dataset)
    columns = min(len(conditions), 3)
    rows = math.ceil(len(conditions) / columns)
    figure = NotebookFigure(figsize=(WIDTH, 2.3 * rows + 0.6), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True, sharex=True)
    for axes, condition in itertools.zip_longest(panels.flat, conditions):
        if condition is None:
            axes.set_visible(False)
            continue
        metric = own_metric(dataset, condition)
        values = along(shown[metric].sel(condition=condition), knob)
        _draw_lines(axes, values, knob)
        for level in np.unique(chance_along(dataset, metric, condition, knob).round(3)):
            axes.axhline(level, color="0.3", linestyle=":", linewidth=0.8)
        axes.set(ylim=(-0.02, 1.02), title=short_label(dataset, condition))
        axes.set(xlabel="training step", ylabel=METRIC_LABELS[metric])
        apply_style(axes)
        axes.tick_params(labelleft=True)
        axes.locator_params(axis="x", nbins=5)
    add_note(figure, what_is_shown(dataset))
    _legend_below(figure, panels[0, 0], knob.label if knob else "", 7)
    return figure


def draw_effects(dataset: xarray.Dataset, knobs: list[Knob]) -> Figure:
    """Final accuracy of all conditions against each knob: mean, 95 % band, and each seed."""
    conditions = condition_names(dataset)
    last = filled(dataset).isel(step=-1)
    columns = min(len(knobs), 2)
    rows = math.ceil(len(knobs) / columns)
    names = [text for knob in knobs if knob.scale == "names" for text in knob.texts]
    below = 0.035 * max(map(len, names), default=0)  # inches, for names written aslant
    size = (WIDTH if columns > 1 else 4.2, (2.4 + below) * rows + 0.2 * len(conditions) + 0.3)
    figure = NotebookFigure(figsize=size, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes, knob in itertools.zip_longest(panels.flat, knobs):
        if knob is None:
            axes.set_visible(False)
            continue
        for i, (condition, color) in enumerate(colors_of(conditions).items()):
            metric = own_metric(dataset, condition)
            values = along(last[metric].sel(condition=condition), knob)
            beside = 0.6 * ((i + 0.5) / len(conditions) - 0.5)
            marker = MARKERS[i % len(MARKERS)]
            look = {"marker": marker, "color": color, "label": full_label(dataset, condition)}
            _draw_effect(axes, values, knob, look, beside)
            _draw_chance(axes, chance_along(dataset, metric, condition, knob), knob, color)
        _axis_of(axes, "x", knob)
        if knob.scale == "names":
            axes.set_xlim(-0.5, len(knob.places) - 0.5)
        axes.set(ylim=(-0.03, 1.03), ylabel="accuracy at the end")
        apply_style(axes)
    add_note(figure, what_is_shown(dataset))
    _legend_below(figure, panels[0, 0], "", 1)
    return figure


def draw_phase(dataset: xarray.Dataset, x: Knob, y: Knob) -> Figure:
    """Final accuracy over two knobs, one panel for ICL and one for IWL.

    Contours where both knobs are numbers; dots mark sampled cells, crosses cells without a run.
    """
    last, names = filled(dataset).isel(step=-1), main_conditions(dataset)
    figure = NotebookFigure(figsize=(WIDTH, 3.1), layout="constrained")
    panels = figure.subplots(1, len(names), squeeze=False, sharex=True, sharey=True)[0]
    for axes, name in zip(panels, names, strict=True):
        metric = own_metric(dataset, name)
        values = last[metric].sel(condition=name)
        others = [dim for dim in values.dims if dim not in (x.name, y.name)]
        values = values.mean(others).transpose(y.name, x.name)
        order = np.ix_(np.argsort(y.places), np.argsort(x.places))
        mesh = _draw_heat(axes, values.values[order], np.sort(x.places), np.sort(y.places), x, y)
        axes.set_title(f"{short_label(dataset, name)}\n{METRIC_LABELS[metric]}")
        apply_style(axes)
        axes.grid(False)
    panels[0].set_ylabel(y.label)
    bar = figure.colorbar(mesh, ax=panels, pad=0.02)
    bar.set_label("accuracy at the end", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    return figure


def _draw_lines(axes: Any, values: xarray.DataArray, knob: Knob | None) -> None:
    mean, low, high = band(values)
    count = len(knob.texts) if knob else 1
    chosen = some(count, MAX_LINES)
    for i, (place, color) in enumerate(zip(chosen, colors_along(knob, len(chosen)), strict=True)):
        line, bottom, top = (
            part.isel({knob.name: place}) if knob else part for part in (mean, low, high)
        )
        look = {"color": color, "linestyle": DASHES[i % len(DASHES)], "linewidth": 1.3}
        if line.isnull().all():
            continue
        axes.plot(values.step, line, label=knob.texts[place] if knob else "mean", **look)
        axes.fill_between(values.step, bottom, top, color=color, alpha=0.15, linewidth=0)


def _draw_effect(
    axes: Any, values: xarray.DataArray, knob: Knob, look: dict[str, str], beside: float
) -> None:
    """Draw one condition against a knob.

    look: its marker, colour and label. beside: how far its points stand from the place of a name,
    so that no condition hides another.
    """
    order = np.argsort(knob.places)
    places = np.array(knob.places)[order]
    mean, low, high = (part.values[order] for part in band(values))
    if knob.scale == "names":
        places = places + beside
        reach = np.stack([mean - low, high - mean])
        line = {"linestyle": "", "elinewidth": 1.3, "markersize": 4}
        axes.errorbar(places, mean, yerr=reach, **look, **line)
    else:
        line = {"markersize": 4, "linewidth": 1.3}
        axes.fill_between(places, low, high, color=look["color"], alpha=0.18, linewidth=0)
        axes.plot(places, mean, **look, **line)
    for seed in values.transpose("seed", knob.name).values:
        open_ = {"markersize": 2.5, "alpha": 0.5, "markerfacecolor": "none"}
        axes.plot(places, seed[order], look["marker"], color=look["color"], **open_)


def _draw_chance(axes: Any, chance: Any, knob: Knob, color: str) -> None:
    look = {"color": color, "linestyle": ":", "linewidth": 0.8}
    places, order = np.array(knob.places), np.argsort(knob.places)
    if knob.scale == "names":
        axes.hlines(chance, places - 0.35, places + 0.35, **look)
    else:
        axes.plot(places[order], chance[order], **look)


def _draw_heat(axes: Any, values: Any, xs: Any, ys: Any, x: Knob, y: Knob) -> Any:
    mesh = axes.pcolormesh(
        _edges(xs, x.scale), _edges(ys, y.scale), values, cmap="cividis", vmin=0, vmax=1
    )
    mesh.set_rasterized(values.size > 2000)
    has_contours = min(values.shape) > 1 and {x.scale, y.scale} <= {"linear", "log"}
    levels = [level for level in (0.25, 0.5, 0.75) if (values > level).any()]
    levels = [level for level in levels if (values < level).any()]
    if has_contours and levels:
        lines = axes.contour(xs, ys, values, levels, colors="white", linewidths=1.1)
        lines.set(path_effects=[withStroke(linewidth=2.4, foreground="black")])
        texts = axes.clabel(lines, fontsize=7, fmt="%g")
        for text in texts:
            text.set_path_effects([withStroke(linewidth=1.6, foreground="black")])
    grid_x, grid_y = np.meshgrid(xs, ys)
    is_there = np.isfinite(values)
    if values.size <= 400:
        look = {"markersize": 2.2, "color": "white", "markeredgecolor": "black"}
        axes.plot(grid_x[is_there], grid_y[is_there], "o", markeredgewidth=0.5, **look)
    axes.plot(grid_x[~is_there], grid_y[~is_there], "x", color="0.4", markersize=4)
    _axis_of(axes, "x", x)
    _axis_of(axes, "y", y)
    axes.set_ylabel("")
    return mesh


def _edges(places: Any, scale: str) -> Any:
    """Edges of cells, halfway between neighbours; the outer cells are symmetric."""
    centres = np.log(places) if scale == "log" else np.asarray(places)
    middles = (centres[1:] + centres[:-1]) / 2
    first, last = 2 * centres[0] - middles[0], 2 * centres[-1] - middles[-1]
    edges = np.concatenate([[first], middles, [last]])
    return np.exp(edges) if scale == "log" else edges


def _axis_of(axes: Any, which: str, knob: Knob) -> None:
    set_label: Callable[[str], Any] = getattr(axes, f"set_{which}label")
    set_label(knob.label)
    axis = getattr(axes, f"{which}axis")
    if knob.scale == "log":
        getattr(axes, f"set_{which}scale")("log")
    if knob.scale != "linear":
        chosen = some(len(knob.texts), MAX_NAMES if knob.scale == "names" else MAX_TICKS)
        texts = [knob.texts[i] for i in chosen]
        is_long = which == "x" and max(map(len, texts)) * len(texts) > 36
        look = {"rotation": 30, "ha": "right"} if is_long else {}
        axis.set_ticks([knob.places[i] for i in chosen], texts, **look)
        axis.set_ticks([], minor=True)


def _legend_below(figure: Figure, axes: Any, title: str, columns: int) -> None:
    handles, texts = axes.get_legend_handles_labels()
    if len(handles) > 1 or title:
        look = {"frameon": False, "fontsize": 7, "title_fontsize": 8, "ncols": columns}
        figure.legend(handles, texts, loc="outside lower center", title=title or None, **look)
