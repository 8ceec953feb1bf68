"""Trials of a task as the network sees them: inputs over time, and the right answer."""

import numpy as np
from matplotlib.figure import Figure

from icl.analysis.figures.formats import NotebookFigure
from icl.analysis.figures.style import apply_style
from icl.types import ShownTrials


def trials_figure(trials: ShownTrials) -> Figure:
    """A figure of a few trials side by side, channels upwards, time to the right."""
    shown = trials.inputs.swapaxes(1, 2)
    figure = NotebookFigure(figsize=(8, 1.9), layout="constrained", dpi=150)
    every = figure.subplots(1, len(trials.inputs), sharey=True)
    bound = np.abs(shown).max()
    low = -bound if shown.min() < 0 else 0.0
    for axes, trial, targets in zip(every, shown, trials.targets, strict=True):
        image = axes.imshow(
            trial,
            aspect="auto",
            origin="lower",
            cmap="RdBu_r" if low else "Blues",
            vmin=low,
            vmax=bound,
        )
        axes.set(title=f"answer {targets[-1]}", xlabel="step")
        apply_style(axes)
        axes.grid(False)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.yaxis.get_major_locator().set_params(integer=True)
    every[0].set_ylabel("input channel")
    figure.colorbar(image, ax=list(every), fraction=0.02, pad=0.01).ax.tick_params(labelsize=8)
    return figure
