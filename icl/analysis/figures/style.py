"""One look for all figures."""

import itertools
from collections.abc import Iterable
from typing import Any

from matplotlib.figure import Figure

# Colours that readers with any colour vision can tell apart (Okabe and Ito 2008).
COLORS = {
    "fewshot_holdout": "#0072B2",
    "fewshot_train": "#56B4E9",
    "no_support": "#D55E00",
}
# Of conditions that are not listed, in turn.
OTHERS = ("#009E73", "#CC79A7", "#E69F00", "#000000", "#F0E442")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")  # that differ without colour, in turn
# Of values that have no order (Tol 2021, "muted", after black).
NAMED = (
    "#000000", "#cc6677", "#332288", "#ddcc77", "#117733",
    "#88ccee", "#882255", "#44aa99", "#999933", "#aa4499",
)  # fmt: skip
LABELS = {
    "fewshot_holdout": "ICL: few-shot, held-out classes, among labels in context",
    "fewshot_train": "ICL: few-shot, training classes, among labels in context",
    "fewshot_uniform_labels": "ICL: few-shot, held-out classes, random trained labels in context",
    "no_support": "IWL: query's class absent from context, all labels",
    "no_support_common": "IWL: the same of common classes",
}


def colors_of(names: Iterable[str]) -> dict[str, str]:
    """A colour for each condition: its own, or the next."""
    others = itertools.cycle(OTHERS)
    return {name: COLORS.get(name) or next(others) for name in names}


def apply_style(axes: Any) -> None:
    """Open frame, small text, light grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(which="both", labelsize=8)
    axes.grid(alpha=0.2, linewidth=0.5)
    axes.title.set_fontsize(9)
    axes.xaxis.label.set_fontsize(8)
    axes.yaxis.label.set_fontsize(8)


def add_note(figure: Figure, note: str) -> None:
    """A note above all panels."""
    if note:
        figure.suptitle(note, fontsize=7, color="0.35")
