"""The training distribution in four panels: classes, bursts, labels, and ceilings of accuracy."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from icl.analysis.figures.formats import to_png
from icl.analysis.figures.style import apply_style

MANY = 20  # classes; an axis of fewer is linear
MEASURED, INTENDED = "#0072B2", "#D55E00"
LEARNERS = {
    "nearest_neighbour": ("nearest neighbour", "#999999", "s"),
    "in_context": ("in context", "#0072B2", "o"),
    "in_weights": ("in weights", "#D55E00", "D"),
    "combined": ("combined", "#009E73", "^"),
}


def draw_distribution(report: dict[str, Any], entropies: tuple[np.ndarray, np.ndarray]) -> bytes:
    """A PNG of the report of `icl.description.sequences`.

    entropies: classes, and the entropy of the labels of each, in bits.
    """
    names = list(report["ceilings"])
    height = 4.6 + 0.42 * len(names)
    figure = Figure(figsize=(11, height), layout="constrained", dpi=120)
    grid = figure.add_gridspec(2, 6, height_ratios=(3.2, height - 3.2))
    _draw_frequencies(figure.add_subplot(grid[0, :2]), report)
    _draw_bursts(figure.add_subplot(grid[0, 2:4]), report)
    _draw_entropies(figure.add_subplot(grid[0, 4:]), report, *entropies)
    left, right = figure.add_subplot(grid[1, :3]), figure.add_subplot(grid[1, 3:])
    _draw_ceilings(left, report, "accuracy", "over all labels")
    _draw_ceilings(right, report, "accuracy_in_context", "among the labels in context")
    right.set_yticklabels([])
    handles, texts = left.get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=6, frameon=False, fontsize=8)
    return to_png(figure)


def _intended(report: dict[str, Any]) -> str:
    """The label of the theory, which holds for unlimited sequences, not for a data set."""
    return "intended" if report["of"] == report["theory"]["of"] else "intended, without end"


def _draw_frequencies(axes: Any, report: dict[str, Any]) -> None:
    intended = report["theory"]["class_frequencies_by_class"]
    axes.set(yscale="log", xlabel="class, commonest first", ylabel="frequency")
    for values, style, label in (
        (report["item_frequencies_by_class"], {"color": "0.7", "marker": "s"}, "context items"),
        (report["class_frequencies_by_class"], {"color": MEASURED, "marker": "o"}, "query"),
        (intended, {"color": INTENDED, "linestyle": "-"}, f"query, {_intended(report)}"),
    ):
        if values is not None:
            look = {"linestyle": "", "markersize": 3.5} | style
            axes.plot(*_binned(np.array(values)), label=label, **look)
    _axis_of_classes(axes, len(report["item_frequencies_by_class"]))
    low, high = axes.get_ylim()
    if high < 10 * low:  # room above and below, so that a level line looks level
        axes.set_ylim(low / 3, high * 3)
    axes.set_title("how often each class comes")
    apply_style(axes)
    axes.legend(fontsize=7, frameon=False)


def _binned(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means over bins of equal logarithmic width, which average out chance in single classes."""
    edges = np.unique(np.geomspace(1, len(values) + 1, 40).astype(int))
    sizes = np.diff(edges)
    means = np.add.reduceat(values, edges[:-1] - 1) / sizes
    return np.sqrt(edges[:-1] * (edges[1:] - 1.0)), np.where(means > 0, means, np.nan)


def _some(count: int) -> np.ndarray:
    """At most 2000 ranks, evenly spaced on a logarithmic scale."""
    return np.unique(np.geomspace(1, max(count, 1), 2000).astype(int))[:count] - 1


def _draw_bursts(axes: Any, report: dict[str, Any]) -> None:
    measured = np.array(report["burst_counts"])
    intended = report["theory"]["burst_counts"]
    seen = np.flatnonzero(measured > 1e-4)
    last = max(int(seen.max()) if len(seen) else 0, 3) + 1
    counts = np.arange(min(last + 1, len(measured)))
    axes.bar(counts, measured[counts], color=MEASURED, width=0.7, label="measured")
    if intended is not None:
        look = {"color": INTENDED, "linewidth": 2, "label": _intended(report)}
        axes.hlines(np.array(intended)[counts], counts - 0.45, counts + 0.45, **look)
    p = report["p_query_in_context"]
    axes.set(xlabel="context items of the query's class", ylabel="share of sequences")
    axes.set_ylim(0, None)
    axes.set_title(f"bursts: in context at all in {p:.3g}")
    axes.locator_params(axis="x", integer=True)
    apply_style(axes)
    axes.legend(fontsize=7, frameon=False)


def _draw_entropies(
    axes: Any, report: dict[str, Any], classes: np.ndarray, bits: np.ndarray
) -> None:
    measured, intended = report["label_entropy_bits"], report["theory"]["label_entropy_bits"]
    if len(classes):
        some = _some(len(classes))
        look = {"color": MEASURED, "markersize": 3, "label": "each class"}
        axes.plot(classes[some] + 1, bits[some], ".", **look)
    if measured is not None:
        axes.axhline(measured, color=MEASURED, linewidth=1, label="all classes")
    if intended is not None:
        look = {"color": INTENDED, "linestyle": "--", "label": _intended(report)}
        axes.axhline(intended, linewidth=1, **look)
    top = max([measured or 0, intended or 0, *bits]) + 0.5
    axes.set(ylim=(-0.05 * top, top), xlabel="class", ylabel="bits")
    axes.set_title("entropy of a class's label")
    _axis_of_classes(axes, len(report["item_frequencies_by_class"]))
    apply_style(axes)
    if not len(classes):
        text = "too few draws of each class\nto show classes by themselves"
        place = {"ha": "center", "va": "center", "transform": axes.transAxes}
        axes.text(0.5, 0.25, text, fontsize=7, color="0.4", **place)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=7, frameon=False)


def _axis_of_classes(axes: Any, count: int) -> None:
    """Make the horizontal axis go from 1 to `count`, logarithmic if these are many."""
    if count < MANY:
        axes.set_xlim(0.5, count + 0.5)
        axes.locator_params(axis="x", integer=True)
    else:
        axes.set(xscale="log", xlim=(0.8, 1.25 * count))


def _draw_ceilings(axes: Any, report: dict[str, Any], metric: str, title: str) -> None:
    names = list(report["ceilings"])
    exact = "exact" if metric == "accuracy" else "exact_in_context"
    for i, (learner, (label, color, marker)) in enumerate(LEARNERS.items()):
        y = np.arange(len(names)) + 0.18 * (i - 1.5)
        scores = [report["ceilings"][name][learner] for name in names]
        for place, score in zip(y, scores, strict=True):
            axes.plot([0, score[metric]], [place, place], color=color, linewidth=1, alpha=0.5)
            if score[exact] is not None:
                axes.plot(score[exact], place, "|", color="black", markersize=8)
        values = [score[metric] for score in scores]
        axes.plot(values, y, marker, color=color, markersize=5, label=label)
    for place, name in enumerate(names):
        chance = report["chance"][name][metric]
        axes.plot([chance, chance], [place - 0.4, place + 0.4], ":", color="0.3", linewidth=1)
    axes.plot([], [], "|", color="black", markersize=8, label="exact")
    axes.plot([], [], ":", color="0.3", label="chance")
    axes.set(xlim=(-0.02, 1.04), ylim=(len(names) - 0.5, -0.5), xlabel="accuracy")
    axes.set_yticks(range(len(names)), names)
    axes.set_title(f"ceilings, {title}")
    apply_style(axes)
