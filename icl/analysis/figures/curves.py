"""Accuracy and loss of a run along training."""

import math
from typing import Any

import xarray
from matplotlib.figure import Figure

from icl.analysis.conditions import conditions_of, own_metric
from icl.analysis.figures.formats import to_png
from icl.analysis.figures.style import apply_style, colors_of


def draw_curves(run: xarray.Dataset) -> bytes:
    """A PNG of in-context and in-weights accuracy, and of the losses, against training steps.

    Bands are one standard error over the sequences of an evaluation.
    """
    conditions = conditions_of(run)
    legend_rows = math.ceil((len(conditions) + 1) / 2)
    figure = Figure(figsize=(8, 2.8 + 0.2 * legend_rows), layout="constrained", dpi=150)
    accuracy_axes, loss_axes = figure.subplots(1, 2)
    for name, color in colors_of(conditions).items():
        of_condition, metric = run.sel(condition=name), own_metric(run, name)
        look = {"color": color, "label": conditions[name].label or name}
        _draw_line(accuracy_axes, of_condition, metric, look)
        _draw_line(loss_axes, of_condition, "loss", look)
        for chance in _chances(of_condition, metric):
            accuracy_axes.axhline(chance, color=color, linestyle=":", linewidth=0.8)
    accuracy_axes.set(ylim=(-0.02, 1.02), ylabel="accuracy", title="accuracy (dotted: chance)")
    trained = run.train_loss.dropna("step")
    loss_axes.plot(trained.step, trained, color="0.6", label="training", zorder=1)
    loss_axes.set(ylim=(0, None), ylabel="loss (nats)", title="loss")
    for axes in (accuracy_axes, loss_axes):
        axes.set_xlabel("training step")
        apply_style(axes)
    handles, texts = loss_axes.get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return to_png(figure)


def _chances(of_condition: xarray.Dataset, metric: str) -> set[float]:
    """Chance among the choices and, on tasks, among all outputs, to fixate included."""
    names = [f"{metric}{end}" for end in ("_chance", "_chance_all")]
    last = [float(of_condition[name][-1]) for name in names if name in of_condition]
    return {chance for chance in last if not math.isnan(chance)}


def _draw_line(axes: Any, of_condition: xarray.Dataset, metric: str, look: dict[str, str]) -> None:
    values, error = of_condition[metric], of_condition[f"{metric}_stderr"]
    axes.plot(values.step, values, linewidth=1.5, **look)
    band = {"color": look["color"], "alpha": 0.2, "linewidth": 0}
    axes.fill_between(values.step, values - error, values + error, **band)
