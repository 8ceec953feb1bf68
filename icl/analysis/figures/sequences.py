"""Sequences as the network sees them: rows of items with their labels."""

from typing import Any

import numpy as np
from jaxtyping import Shaped
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from icl.analysis.figures.formats import NotebookFigure, to_png
from icl.types import ShownSequence

# Of longer sequences only some items are drawn, as pictures would be too small to see.
MAX_ITEMS = 17
GAP = 0.45  # cells, where items are left out
# Vectors up to this length are drawn as strips of bars, longer ones are folded into a square.
MAX_BARS = 64
CELL = 0.62  # inches
STEP, HEIGHT = 1.14, 1.62  # from item to item and from row to row, in cells
QUERY = "#D55E00"


def draw_rows(rows: list[ShownSequence]) -> bytes:
    """A PNG of `rows_figure`."""
    return to_png(rows_figure(rows))


def rows_figure(rows: list[ShownSequence]) -> Figure:
    """A figure of sequences below each other, with labels above items and the query framed.

    Labels of items of the query's class have the colour of the query.
    """
    shown = [shown_items(row.is_same) for row in rows]
    right = max(_places(items)[-1] for items in shown) + 1
    left = 2.9  # cells, for names
    width = left + right + 0.34
    headings = _headings(rows)
    height = HEIGHT * len(rows) + 0.7 * len(headings) + 0.3
    figure = NotebookFigure(figsize=(CELL * width, CELL * height), dpi=110)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-left, width - left), ylim=(height, 0))
    axes.axis("off")
    scale = _scale(rows)
    top = 0.1
    for i, row in enumerate(rows):
        if i in headings:
            axes.text(0.1 - left, top + 0.45, headings[i], fontsize=10, fontweight="bold")
            top += 0.7
        if i == 0 or (row.section, row.name) != (rows[i - 1].section, rows[i - 1].name):
            axes.text(-0.25, top + 0.95, row.name, fontsize=8, ha="right", va="center")
        _draw_row(axes, row, shown[i], top + 0.42, right, scale)
        top += HEIGHT
    return figure


def _headings(rows: list[ShownSequence]) -> dict[int, str]:
    """Number of a sequence -> the section that begins there."""
    sections = [row.section for row in rows]
    return {
        i: section
        for i, section in enumerate(sections)
        if section and (i == 0 or section != sections[i - 1])
    }


def shown_items(is_same: Shaped[np.ndarray, " item"]) -> list[int]:
    """The items of a long sequence that are drawn, in order: the query and MAX_ITEMS - 1 before it.

    Where items of the query's class come earlier, the last few of them take the places of the
    first items of other classes.
    """
    count = len(is_same)
    if count <= MAX_ITEMS:
        return list(range(count))
    shown = set(range(count - MAX_ITEMS, count))
    earlier = np.flatnonzero(is_same[: count - MAX_ITEMS])[-MAX_ITEMS // 2 :].tolist()
    for item in reversed(earlier):
        others = [i for i in sorted(shown) if not is_same[i]]
        if len(others) <= MAX_ITEMS // 4:
            break
        shown.remove(others[0])
        shown.add(item)
    return sorted(shown)


def _places(items: list[int]) -> list[float]:
    """The left edge of each item in cells, with a gap where items are left out."""
    places, x = [], 0.0
    for i, item in enumerate(items):
        x += GAP * (item != (items[i - 1] + 1 if i else 0))
        places.append(x)
        x += STEP
    return places


def _draw_row(
    axes: Any, row: ShownSequence, items: list[int], top: float, right: float, scale: float
) -> None:
    """Draw items that end with the query at the right, "..." where some are left out."""
    places = _places(items)
    for i, item in enumerate(items):
        x = places[i] + right - 1 - places[-1]
        is_query = item == len(row.labels) - 1
        if item != (items[i - 1] + 1 if i else 0):
            axes.text(x - 0.3, top + 0.5, "...", fontsize=8, color="0.4", ha="center", va="center")
        color = QUERY if row.is_same[item] else "0.25"
        label = f"? {row.labels[item]}" if is_query else f"{row.labels[item]}"
        # A digit is about 0.56 of the size wide, in points; so all labels fit above their items.
        size = min(8.0, CELL * STEP * 72 / (0.6 * len(label)))
        axes.text(x + 0.5, top - 0.08, label, fontsize=size, ha="center", va="bottom", color=color)
        _draw_item(axes, np.asarray(row.exemplars[item]), x, top, scale)
        edge, line = (QUERY, 2.0) if is_query else ("0.8", 0.6)
        axes.add_patch(Rectangle((x, top), 1, 1, fill=False, edgecolor=edge, linewidth=line))


def _draw_item(axes: Any, exemplar: np.ndarray, x: float, y: float, scale: float) -> None:
    """Draw an image, a number, or a vector as coloured bars: blue below zero and red above.

    Pixels are drawn from 0, white, to 1, black; in colour, from 0, dark, to 1, bright. Images of
    other than one, three or four channels are drawn as the mean of these.
    """
    if exemplar.ndim == 0:
        text = f"{exemplar}"
        size = 10 if len(text) < 5 else 7
        axes.text(x + 0.5, y + 0.5, text, fontsize=size, ha="center", va="center")
        return
    extent = (x, x + 1, y + 1, y)
    if exemplar.ndim == 3 and exemplar.shape[2] in (3, 4):  # red, green, blue, opacity
        axes.imshow(np.clip(exemplar, 0, 1), extent=extent, aspect="auto")
        return
    if exemplar.ndim == 3:
        exemplar = exemplar.mean(axis=2)
    if exemplar.ndim == 2:
        axes.imshow(exemplar, cmap="gray_r", vmin=0, vmax=1, extent=extent, aspect="auto")
        return
    folded = exemplar[None]
    if len(exemplar) > MAX_BARS:
        side = int(np.ceil(np.sqrt(len(exemplar))))
        folded = np.full(side * side, np.nan)
        folded[: len(exemplar)] = exemplar
        folded = folded.reshape(side, side)
    axes.imshow(
        folded,
        cmap="RdBu_r",
        vmin=-scale,
        vmax=scale,
        extent=extent,
        aspect="auto",
        interpolation="nearest",
    )


def _scale(rows: list[ShownSequence]) -> float:
    """The largest colour value of vectors, which 99 % of their numbers do not exceed."""
    if rows[0].exemplars.ndim != 2:
        return 1.0
    values = np.concatenate(
        [np.abs(row.exemplars[shown_items(row.is_same)]).ravel() for row in rows]
    )
    return float(np.quantile(values, 0.99)) or 1.0
