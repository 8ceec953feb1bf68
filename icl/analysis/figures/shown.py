"""Pictures of the inputs of a network."""

from collections.abc import Callable
from typing import Any

from icl.analysis.figures.sequences import draw_rows
from icl.analysis.figures.trials import draw_trials
from icl.types import Shown

PICTURES: dict[str, Callable[[Any], bytes]] = {"sequences": draw_rows, "trials": draw_trials}


def draw_shown(shown: Shown) -> bytes:
    """A PNG of what a problem shows: sequences or trials."""
    return PICTURES[shown.kind](shown.content)
