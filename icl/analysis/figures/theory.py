"""Kernel alignment of two-layer linear networks: simulated points on curves of the theory."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from icl.analysis.figures.formats import to_png
from icl.analysis.figures.style import apply_style
from icl.theory.two_layer import expected_alignment

FORMULA, SIMULATED = "#0072B2", "#000000"
# Initial weights made for anisotropic features, in the order of their legend.
STARTS = {
    "balanced_rank_1": ("rank 1 along the task, balanced", "#009E73"),
    "features": ("all features alike, zero readout", "#0072B2"),
    "rank_1": ("rank 1 along the task, zero readout", "#D55E00"),
}


def draw_theory(report: dict[str, Any]) -> bytes:
    """A PNG of the result of `icl.theory.comparison.compare`."""
    figure = Figure(figsize=(8.6, 4.4), layout="constrained", dpi=130)
    by_rank, by_kappa = figure.subplots(1, 2)
    _draw_ranks(by_rank, report)
    _draw_features(by_kappa, report)
    for axes in (by_rank, by_kappa):
        axes.set(ylim=(0, 1.06), ylabel="kernel alignment, start to end")
        apply_style(axes)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), frameon=False, fontsize=7.5)
    return to_png(figure)


def _draw_ranks(axes: Any, report: dict[str, Any]) -> None:
    dim = report["input_dim"]
    ranks = np.linspace(1, dim, 200)
    axes.plot(
        ranks,
        expected_alignment(ranks, dim),
        color=FORMULA,
        label=r"formula, $(1 + 1/d)\,\sqrt{r}\,/\sqrt{d + 3}$",
    )
    axes.errorbar(
        [row["rank"] for row in report["ranks"]],
        [row["simulated"] for row in report["ranks"]],
        [row["std"] for row in report["ranks"]],
        color=SIMULATED,
        linestyle="",
        marker="o",
        markersize=4,
        capsize=2,
        linewidth=1,
        label=f"gradient flow, mean and std over {report['num_draws']} random tasks",
    )
    for row in report["aligned"]:
        name, color = STARTS["balanced_rank_1" if row["is_balanced"] else "rank_1"]
        axes.plot(
            1, row["simulated"], color=color, linestyle="", marker="*", markersize=11, label=name
        )
    axes.set(xlabel="rank of W1 at the start", title=f"white inputs, d = {dim}", xlim=(0, dim + 1))
    axes.set_xticks([row["rank"] for row in report["ranks"]])


def _draw_features(axes: Any, report: dict[str, Any]) -> None:
    for start, (name, color) in STARTS.items():
        for is_partial in (False, True):
            rows = [
                row
                for row in report["features"]
                if row["start"] == start and row["is_partial"] == is_partial
            ]
            kappas = [row["kappa"] for row in rows]
            style = "--" if is_partial else "-"
            closed_form = [row["closed_form"] for row in rows]
            label = None if is_partial else name
            axes.plot(kappas, closed_form, style, color=color, linewidth=1.3, label=label)
            axes.errorbar(
                kappas,
                [row["simulated"] for row in rows],
                [row["std"] for row in rows],
                color=color,
                linestyle="",
                marker="o",
                markersize=4,
                markerfacecolor="white" if is_partial else color,
                elinewidth=0.7,
                capsize=2 if is_partial else 4,
            )
    for style, face, label in (
        ("-o", "0.4", "made for all of F"),
        ("--o", "white", "made for the strong half of F alone"),
    ):
        axes.plot([], [], style, color="0.4", markerfacecolor=face, markersize=4, label=label)
    axes.set(
        xlabel="kappa: singular values of the strong half of F; of the other half: 1",
        title="anisotropic inputs x = F z (lines: closed form)",
    )
