"""Accuracy and loss of a run along training, and how far it has left its initial features."""

import math
from typing import Any

import xarray
from matplotlib.figure import Figure

from icl.analysis.conditions import conditions_of, own_metric
from icl.analysis.figures.formats import NotebookFigure, to_png
from icl.analysis.figures.style import apply_style, colors_of
from icl.config.claims import METRIC_LABELS
from icl.config.probes import ALIGNMENTS


def draw_curves(run: xarray.Dataset) -> bytes:
    """A PNG of `curves_figure`."""
    return to_png(curves_figure(run))


def curves_figure(run: xarray.Dataset) -> Figure:
    """A figure of in-context and in-weights accuracy, and of the losses, against training steps.

    A third panel shows the alignments with the initial network, where the run measures them. Bands
    are one standard error over the sequences of an evaluation.
    """
    conditions = conditions_of(run)
    legend_rows = math.ceil((len(conditions) + 1) / 2)
    aligned = {short: name for short, name in ALIGNMENTS.items() if name in run}
    width = 11 if aligned else 8
    figure = NotebookFigure(figsize=(width, 2.8 + 0.2 * legend_rows), layout="constrained", dpi=150)
    accuracy_axes, loss_axes, *others = figure.subplots(1, 3 if aligned else 2)
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
    for axes in others:
        _draw_alignments(axes, run, aligned)
    for axes in (accuracy_axes, loss_axes, *others):
        axes.set_xlabel("training step")
        apply_style(axes)
    handles, texts = loss_axes.get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return figure


STYLES = {"RA": "-", "KA": "--"}


def _draw_alignments(axes: Any, run: xarray.Dataset, aligned: dict[str, str]) -> None:
    """Draw RA and KA of each condition in its colour, each with a style of line."""
    for short, name in aligned.items():
        for condition, color in colors_of(conditions_of(run)).items():
            values = run[name].sel(condition=condition)
            axes.plot(values.step, values, STYLES[short], color=color, linewidth=1.5)
        label = f"{short}: {METRIC_LABELS[name]}"
        axes.plot([], [], STYLES[short], color="0.3", linewidth=1.5, label=label)
    axes.set(ylim=(-0.02, 1.05), ylabel="alignment with the initial network")
    axes.set_title("1: same features (lazy), lower: new ones (rich)")
    axes.legend(loc="lower left", frameon=False, fontsize=8)


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
