"""Panels of several grids: all in one figure, for print, or each alone, for the page."""

import io
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox

from icl.analysis.figures.formats import SETTINGS
from icl.analysis.figures.style import (
    MARKERS,
    MAX_TICKS,
    WIDTH,
    add_note,
    apply_style,
    colors_of,
)
from icl.analysis.overview import Panel, cut, labelled

COLUMNS = 3
ALONE = (3.0, 2.3)  # inches: a panel that is a figure of its own
PAD = 0.05  # inches, below it
TICKS = (0, 0.25, 0.5, 0.75, 1)
OFFSET = 0.16  # between conditions, in distances between categories


def draw_overview(panels: Sequence[Panel]) -> Figure:
    """All panels in one figure, three in a row."""
    columns, looks, labels = min(len(panels), COLUMNS), looks_of(panels), labels_of(panels)
    rows = math.ceil(len(panels) / columns)
    size = (WIDTH * columns / COLUMNS, 2.2 * rows + 0.17 * (len(looks) + 1))
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes, panel in itertools.zip_longest(grid.flat, panels):
        if panel is None:
            axes.set_visible(False)
            continue
        _draw(axes, panel, looks)
    for axes in grid[:, 0]:
        axes.set_ylabel("accuracy")
    add_note(figure, "mean and 95 % t interval over seeds")
    handles = [
        Line2D([], [], color=color, marker=marker, markersize=4, linewidth=1.3, label=labels[name])
        for name, (color, marker) in looks.items()
    ]
    chance = Line2D([], [], color="0.3", linestyle=":", linewidth=1, label="chance")
    look = {"frameon": False, "fontsize": 7, "ncols": 1}
    figure.legend(handles=[*handles, chance], loc="outside lower center", **look)
    return figure


def draw_alone(panels: Sequence[Panel]) -> list[bytes]:
    """Each panel as an SVG of its own, with text drawn as outlines.

    All axes have the same size and the same distance from the top; the space below them differs.
    """
    looks = looks_of(panels)
    figures = [Figure(figsize=ALONE, layout="constrained") for _ in panels]
    for figure, panel in zip(figures, panels, strict=True):
        _draw(figure.subplots(), panel, looks)
        figure.draw_without_rendering()
    boxes = np.array([figure.axes[0].get_position().extents for figure in figures])
    left, bottom = boxes[:, :2].max(axis=0)
    right, top = boxes[:, 2:].min(axis=0)
    contents = []
    for figure in figures:
        figure.set_layout_engine("none")
        figure.axes[0].set_position((left, bottom, right - left, top - bottom))
        lowest = max(figure.get_tightbbox().y0 - PAD, 0.0)
        box = Bbox.from_extents(0, lowest, *ALONE)
        buffer = io.BytesIO()
        with matplotlib.rc_context(SETTINGS | {"svg.fonttype": "path"}):
            figure.savefig(buffer, format="svg", bbox_inches=box, metadata={"Date": None})
        contents.append(buffer.getvalue())
    return contents


def looks_of(panels: Iterable[Panel]) -> dict[str, tuple[str, str]]:
    """Colour and marker of each condition, the same in all panels."""
    names = list(dict.fromkeys(name for panel in panels for name in panel.traces))
    return dict(zip(names, zip(colors_of(names).values(), itertools.cycle(MARKERS)), strict=False))


def labels_of(panels: Iterable[Panel]) -> dict[str, str]:
    """The label of each condition for a legend."""
    return {name: trace.label for panel in panels for name, trace in panel.traces.items()}


def _draw(axes: Any, panel: Panel, looks: Mapping[str, tuple[str, str]]) -> None:
    for i, (condition, trace) in enumerate(panel.traces.items()):
        color, marker = looks[condition]
        if panel.kind == "categories":
            places = panel.places + OFFSET * (i - (len(panel.traces) - 1) / 2)
            errors = [trace.mean - trace.low, trace.high - trace.mean]
            axes.errorbar(places, trace.mean, errors, fmt=marker, color=color, markersize=4)
            ends = (panel.places - 0.35, panel.places + 0.35)
            axes.hlines(trace.chance, *ends, color=color, linestyle=":", linewidth=0.8)
            continue
        look = {"marker": marker, "markersize": 3.5} if panel.kind == "numbers" else {}
        axes.fill_between(panel.places, trace.low, trace.high, color=color, alpha=0.18, linewidth=0)
        axes.plot(panel.places, trace.mean, color=color, linewidth=1.3, **look)
        axes.plot(panel.places, trace.chance, ":", color=color, linewidth=0.8)
    label = f"{panel.axis}\n({panel.note})" if panel.note else panel.axis
    axes.set(ylim=(-0.03, 1.03), xlabel=label)
    axes.set_yticks(TICKS, [f"{tick:g}" for tick in TICKS])
    axes.set_title(cut(panel.name))
    apply_style(axes)
    if panel.kind == "steps":
        axes.set_xlim(left=0)
        axes.locator_params(axis="x", nbins=4)
    else:
        _label_values(axes, panel)


def _label_values(axes: Any, panel: Panel) -> None:
    chosen = labelled(panel)
    texts = [panel.texts[i] for i in chosen]
    is_long = max(map(len, texts)) * len(texts) > 26
    rotation = 30 if len(texts) <= MAX_TICKS else 60
    look = {"rotation": rotation, "ha": "right", "rotation_mode": "anchor"} if is_long else {}
    axes.set_xticks(panel.places[chosen], texts, **look)
    axes.set_xlim(-0.5, len(panel.texts) - 0.5)
