"""The look that all figures share."""

import itertools
from collections.abc import Iterable
from typing import Any

from matplotlib.figure import Figure

from icl.config.conditions import condition_of

# Colours of conditions that have none of their own, in turn (Okabe and Ito 2008).
OTHERS = ("#009E73", "#CC79A7", "#E69F00", "#000000", "#F0E442")
# Markers that readers can tell apart without colour, in turn.
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
# Colours of values without an order (Tol 2021, "muted", after black).
PALETTE = (
    "#000000", "#cc6677", "#332288", "#ddcc77", "#117733",
    "#88ccee", "#882255", "#44aa99", "#999933", "#aa4499",
)  # fmt: skip
WIDTH = 7.0  # inches: a page of two columns
MAX_TICKS = 8  # values that an axis of numbers names


def colors_of(names: Iterable[str]) -> dict[str, str]:
    """A colour for each condition: its own, or the next that is free."""
    others = itertools.cycle(OTHERS)
    return {name: condition_of(name).color or next(others) for name in names}


def apply_style(axes: Any) -> None:
    """Give axes an open frame, small text and a light grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(which="both", labelsize=8)
    axes.grid(alpha=0.2, linewidth=0.5)
    axes.title.set_fontsize(9)
    axes.xaxis.label.set_fontsize(8)
    axes.yaxis.label.set_fontsize(8)


def add_note(figure: Figure, note: str) -> None:
    """Write a note above all panels."""
    if note:
        figure.suptitle(note, fontsize=7, color="0.35")
