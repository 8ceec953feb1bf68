"""Accuracy and loss along training."""

import io
from typing import Any

import xarray
from matplotlib.figure import Figure

from icl.analysis.style import COLORS, LABELS, OTHER, apply_style


def draw_curves(run: xarray.Dataset) -> bytes:
    """A PNG: in-context and in-weights accuracy, and the losses, against training steps.

    Bands are one standard error over the sequences of an evaluation.
    """
    figure = Figure(figsize=(8, 3.2), layout="constrained", dpi=150)
    accuracy_axes, loss_axes = figure.subplots(1, 2)
    for name in run.condition.values:
        of_condition = run.sel(condition=name)
        metric = "accuracy" if name == "no_support" else "accuracy_in_context"
        _draw_line(accuracy_axes, of_condition, metric, name)
        _draw_line(loss_axes, of_condition, "loss", name)
        chance = float(of_condition[f"{metric}_chance"][-1])
        accuracy_axes.axhline(chance, color=COLORS.get(name, OTHER), linestyle=":", linewidth=0.8)
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


def _draw_line(axes: Any, of_condition: xarray.Dataset, metric: str, name: str) -> None:
    values, error = of_condition[metric], of_condition[f"{metric}_stderr"]
    color = COLORS.get(name, OTHER)
    axes.plot(values.step, values, color=color, label=LABELS.get(name, name), linewidth=1.5)
    axes.fill_between(
        values.step, values - error, values + error, color=color, alpha=0.2, linewidth=0
    )
