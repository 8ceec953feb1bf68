"""Pictures of the inputs of a network."""

from collections.abc import Callable
from typing import Any

from matplotlib.figure import Figure

from icl.analysis.figures.formats import to_png
from icl.analysis.figures.sequences import rows_figure
from icl.analysis.figures.trials import trials_figure
from icl.types import Shown

PICTURES: dict[str, Callable[[Any], Figure]] = {"sequences": rows_figure, "trials": trials_figure}


def draw_shown(shown: Shown) -> bytes:
    """A PNG of what a problem shows: sequences or trials."""
    return to_png(shown_figure(shown))


def shown_figure(shown: Shown) -> Figure:
    """A figure of what a problem shows."""
    return PICTURES[shown.kind](shown.content)
