"""What the network sees: sequences as rows of items with their labels."""

from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Int, Key, Shaped
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from icl.analysis.figures.curves import to_png
from icl.analysis.figures.trials import draw_trials
from icl.config import AnyConfig, ExperimentConfig, TaskExperimentConfig
from icl.problems.base import Program
from icl.problems.sequences import Experiment, SequenceProgram, bind
from icl.problems.trials import TaskProgram
from icl.types import IndexSequence

ROWS_PER_FAMILY = 3
MAX_ROWS = 40
SEARCHED = 64  # sequences of the mixture, for some of each family
# Beyond this the pictures would be too small to see: only some of the pairs are drawn.
MAX_ITEMS = 17
GAP = 0.45  # cells, where items are left out
# Vectors up to this length are strips of bars, longer ones are folded into a square.
MAX_BARS = 64
CELL = 0.62  # inches
STEP, HEIGHT = 1.14, 1.62  # from item to item and from row to row, in cells
QUERY = "#D55E00"


class Row(NamedTuple):
    """One sequence of a picture: its section and name, its items, query last.

    is_same: whether an item is of the query's class.
    """

    section: str
    name: str
    exemplars: Shaped[np.ndarray, "item *shape"]
    labels: Int[np.ndarray, " item"]
    is_same: Shaped[np.ndarray, " item"]


def rows_of(
    section: str, name: str, indices: IndexSequence, exemplars: Shaped[Any, "batch item *shape"]
) -> list[Row]:
    """A row for each sequence of a batch."""
    classes, labels = np.asarray(indices.classes), np.asarray(indices.labels)
    is_same = classes == classes[:, -1:]
    return [
        Row(section, name, *parts)
        for parts in zip(np.asarray(exemplars), labels, is_same, strict=True)
    ]


def rows_per_family(num_families: int) -> int:
    """So many that the picture stays readable."""
    return max(1, min(ROWS_PER_FAMILY, MAX_ROWS // max(num_families, 1)))


def draw_shown(program: Program, config: AnyConfig) -> bytes:
    """A PNG of what the network of a run is shown: sequences, or trials of a task."""
    if isinstance(program, TaskProgram) and isinstance(config, TaskExperimentConfig):
        return draw_trials(program, config)
    assert isinstance(program, SequenceProgram)
    assert isinstance(config, ExperimentConfig)
    return draw_sequences(bind(program, config))


def draw_sequences(experiment: Experiment) -> bytes:
    """A PNG of a few sequences of each family trained on, query last."""
    weights = {name: w for name, w in experiment.config.data.weights.items() if w > 0}
    count = rows_per_family(len(weights))
    key, own_key = jax.random.split(jax.random.key(experiment.config.seed))
    drawn = _drawn(experiment, key, SEARCHED, "train")
    rows: list[Row] = []
    for i, name in enumerate(experiment.config.data.weights):
        if name not in weights:
            continue
        mixed, found = drawn, np.flatnonzero(drawn[0].family == i)[:count]
        if len(found) < count:  # too rare in the mixture
            mixed = _drawn(experiment, jax.random.fold_in(own_key, i), count, name)
            found = np.arange(count)
        indices, exemplars = jax.tree.map(lambda a, found=found: a[found], mixed)
        rows += rows_of("", f"{name}\n{weights[name]:.3g}", indices, exemplars)
    return draw_rows(rows)


def _drawn(
    experiment: Experiment, key: Key[Array, ""], count: int, name: str
) -> tuple[IndexSequence, np.ndarray]:
    indices, sequence = experiment.draw(key, count, experiment.families[name])
    return jax.tree.map(np.asarray, (indices, sequence.exemplars))


def draw_rows(rows: list[Row]) -> bytes:
    """A PNG: sequences below each other, labels above items, the query framed.

    Labels of items of the query's class are in the query's colour.
    """
    shown = [shown_items(row.is_same) for row in rows]
    right = max(_places(items)[-1] for items in shown) + 1
    left = 2.9  # cells, for names
    width = left + right + 0.34
    headings = _headings(rows)
    height = HEIGHT * len(rows) + 0.7 * len(headings) + 0.3
    figure = Figure(figsize=(CELL * width, CELL * height), dpi=110)
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
    return to_png(figure)


def _headings(rows: list[Row]) -> dict[int, str]:
    """Row number -> the section that begins there."""
    sections = [row.section for row in rows]
    return {
        i: section
        for i, section in enumerate(sections)
        if section and (i == 0 or section != sections[i - 1])
    }


def shown_items(is_same: Shaped[np.ndarray, " item"]) -> list[int]:
    """Which items of a long sequence are drawn, in order: the query, and the last MAX_ITEMS - 1.

    Where items of the query's class are before these, the last few of them are shown instead of
    the first of these that are not.
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
    """Of the left edge of each item, in cells: a gap where some are left out."""
    places, x = [], 0.0
    for i, item in enumerate(items):
        x += GAP * (item != (items[i - 1] + 1 if i else 0))
        places.append(x)
        x += STEP
    return places


def _draw_row(
    axes: Any, row: Row, items: list[int], top: float, right: float, scale: float
) -> None:
    """Items end at the right, where the query is; "..." where some are left out."""
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
    """An image as it is; a vector as bars of colour, blue below zero and red above; a number."""
    if exemplar.ndim == 0:
        text = f"{exemplar}"
        size = 10 if len(text) < 5 else 7
        axes.text(x + 0.5, y + 0.5, text, fontsize=size, ha="center", va="center")
        return
    extent = (x, x + 1, y + 1, y)
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


def _scale(rows: list[Row]) -> float:
    """Vectors have one scale of colours, that all but the largest hundredth of numbers fit."""
    if rows[0].exemplars.ndim != 2:
        return 1.0
    values = np.concatenate(
        [np.abs(row.exemplars[shown_items(row.is_same)]).ravel() for row in rows]
    )
    return float(np.quantile(values, 0.99)) or 1.0
