"""Trials of a task as the network sees them: inputs over time, and the right answer."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from icl.analysis.figures.formats import NotebookFigure
from icl.analysis.figures.style import apply_style
from icl.types import ShownTrials

MAX_NAMED = 12  # channels that have a name each; of more, each kind has one

Kinds = tuple[tuple[str, int], ...]  # of channels or outputs, each with its number


def trials_figure(trials: ShownTrials) -> Figure:
    """A figure of a few trials side by side, channels downwards, time to the right."""
    shown = trials.inputs.swapaxes(1, 2)
    num_channels = shown.shape[1]
    height = 1.2 + 0.16 * min(max(num_channels, 4), MAX_NAMED)
    figure = NotebookFigure(figsize=(9, height), layout="constrained", dpi=150)
    every = figure.subplots(1, len(trials.inputs), sharey=True)
    bound = np.abs(shown).max() or 1.0
    low = -bound if shown.min() < 0 else 0.0
    for axes, trial, targets in zip(every, shown, trials.targets, strict=True):
        image = axes.imshow(
            trial,
            aspect="auto",
            interpolation="nearest",
            cmap="RdBu_r" if low else "Blues",
            vmin=low,
            vmax=bound,
        )
        axes.set_title(f"answer:\n{output_name(trials.outputs, int(targets[-1]))}")
        axes.set_xlabel("step")
        apply_style(axes)
        axes.grid(False)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.tick_params(axis="y", length=0)
        _draw_borders(axes, trials.channels)
    _name_channels(every[0], trials.channels)
    bar = figure.colorbar(image, ax=list(every), fraction=0.02, pad=0.01)
    bar.ax.tick_params(labelsize=8)
    bar.set_label("input", fontsize=8)
    return figure


def output_name(outputs: Kinds, number: int) -> str:
    """The name of an output: its kind, with its number where several outputs are of that kind."""
    first = 0
    for kind, count in outputs:
        if number < first + count:
            return kind if count == 1 else f"{kind} {number}"
        first += count
    return str(number)


def channel_names(channels: Kinds) -> list[str]:
    """The name of each channel: its kind, counted from 1 where several are of that kind."""
    names = []
    for kind, count in channels:
        blank = ", " if kind[-1:].isdigit() else " "
        names += [kind] if count == 1 else [f"{kind}{blank}{i}" for i in range(1, count + 1)]
    return names


def _name_channels(axes: Any, channels: Kinds) -> None:
    names = channel_names(channels)
    if len(channels) < 2:
        axes.set_ylabel(channels[0][0] if channels else "input channel")
        axes.yaxis.get_major_locator().set_params(integer=True)
    elif len(names) <= MAX_NAMED:
        axes.set_yticks(range(len(names)), names)
    else:
        counts = np.array([count for _, count in channels])
        middles = np.cumsum(counts) - (counts + 1) / 2
        labels = [f"{kind}\n({count})" if count > 1 else kind for kind, count in channels]
        axes.set_yticks(middles, labels)


def _draw_borders(axes: Any, channels: Kinds) -> None:
    """Draw a line between two kinds of channels."""
    for end in np.cumsum([count for _, count in channels])[:-1]:
        axes.axhline(end - 0.5, color="0.6", linewidth=0.8)
