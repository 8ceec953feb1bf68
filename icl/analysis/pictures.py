"""What the network sees: sequences as rows of images with their labels."""

from typing import Any

import jax
import numpy as np
from matplotlib.figure import Figure

from icl.analysis.curves import to_png
from icl.experiment import Experiment

ROWS_PER_FAMILY = 3
# Beyond this the pictures would be too small to see: only the last pairs are drawn.
MAX_ITEMS = 17


def draw_sequences(experiment: Experiment) -> bytes:
    """A PNG of a few bursty and a few independent sequences, query last."""
    keys = jax.random.split(jax.random.key(experiment.config.seed))
    rows = []
    for key, name in zip(keys, ("bursty", "independent"), strict=True):
        _, sequence = experiment.draw(key, ROWS_PER_FAMILY, experiment.families[name])
        for exemplars, labels in zip(*map(np.asarray, sequence), strict=True):
            rows.append((name, exemplars[-MAX_ITEMS:], labels[-MAX_ITEMS:]))
    num_items = len(rows[0][1])
    figure = Figure(figsize=(0.8 * num_items + 1.2, len(rows) + 0.4), dpi=110)
    grid = figure.subplots(len(rows), num_items, squeeze=False)
    figure.subplots_adjust(left=0.13, right=0.99, top=0.93, bottom=0.02, hspace=0.45)
    for axes_row, (name, exemplars, labels) in zip(grid, rows, strict=True):
        axes_row[0].set_ylabel(name, fontsize=9, rotation=0, ha="right", va="center")
        for axes, exemplar, label in zip(axes_row, exemplars, labels, strict=True):
            _draw_item(axes, exemplar, f"{label}")
        axes_row[-1].set_title(f"query: {labels[-1]}", fontsize=8, pad=3)
        axes_row[-1].patch.set_visible(False)
        for spine in axes_row[-1].spines.values():
            spine.set(edgecolor="#D55E00", linewidth=2)
    return to_png(figure)


def _draw_item(axes: Any, exemplar: np.ndarray, title: str) -> None:
    axes.imshow(exemplar, cmap="gray_r", vmin=0, vmax=1)
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, fontsize=8, pad=3)
    for spine in axes.spines.values():
        spine.set_edgecolor("0.8")
