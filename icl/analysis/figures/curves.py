"""Accuracy and loss along training."""

import io
import math
from typing import Any

import xarray
from matplotlib.figure import Figure

from icl.analysis.figures.style import LABELS, apply_style, colors_of


def draw_curves(run: xarray.Dataset) -> bytes:
    """A PNG: in-context and in-weights accuracy, and the losses, against training steps.

    Bands are one standard error over the sequences of an evaluation.
    """
    names = [str(name) for name in run.condition.values]
    legend_rows = math.ceil((len(names) + 1) / 2)
    figure = Figure(figsize=(8, 2.8 + 0.2 * legend_rows), layout="constrained", dpi=150)
    accuracy_axes, loss_axes = figure.subplots(1, 2)
    for name, color in colors_of(names).items():
        of_condition = run.sel(condition=name)
        metric = _metric(of_condition, name)
        _draw_line(accuracy_axes, of_condition, metric, name, color)
        _draw_line(loss_axes, of_condition, "loss", name, color)
        chance = float(of_condition[f"{metric}_chance"][-1])
        accuracy_axes.axhline(chance, color=color, linestyle=":", linewidth=0.8)
    accuracy_axes.set(ylim=(-0.02, 1.02), ylabel="accuracy", title="accuracy (dotted: chance)")
    trained = run.train_loss.dropna("step")
    loss_axes.plot(trained.step, trained, color="0.6", label="training", zorder=1)
    loss_axes.set(ylim=(0, None), ylabel="loss (nats)", title="loss")
    for axes in (accuracy_axes, loss_axes):
        axes.set_xlabel("training step")
        apply_style(axes)
    handles, names = loss_axes.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return to_png(figure)


def to_png(figure: Figure) -> bytes:
    """A figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _metric(of_condition: xarray.Dataset, name: str) -> str:
    """Among the labels in context, unless the right one is not meant to be there."""
    if "accuracy_in_context" not in of_condition:
        return "accuracy"
    is_absent = float(of_condition.accuracy_in_context_chance[-1]) == 0
    return "accuracy" if is_absent or name.startswith("no_support") else "accuracy_in_context"


def _draw_line(axes: Any, of_condition: xarray.Dataset, metric: str, name: str, color: str) -> None:
    values, error = of_condition[metric], of_condition[f"{metric}_stderr"]
    axes.plot(values.step, values, color=color, label=LABELS.get(name, name), linewidth=1.5)
    axes.fill_between(
        values.step, values - error, values + error, color=color, alpha=0.2, linewidth=0
    )
