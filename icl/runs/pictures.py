"""Pictures that a run leaves in its directory.

The plotting library takes a second to load, so it is loaded only to draw.
"""

from typing import TYPE_CHECKING

from icl.files import write_whole
from icl.records.run_directory import SEQUENCES, RunDirectory

if TYPE_CHECKING:
    from icl.problems.base import Program


def write_shown(directory: RunDirectory, program: "Program") -> None:
    """Draw what the problem of a run shows: examples of its training data."""
    from icl.analysis.figures.shown import draw_shown

    config = directory.config
    shown = program.problem.shown(config, program.inputs(config))
    write_whole(directory.path / SEQUENCES, draw_shown(shown))


def write_curves(directory: RunDirectory) -> None:
    """Draw the learning curves of a run."""
    from icl.analysis.figures.curves import draw_curves
    from icl.records import load

    write_whole(directory.path / "curves.png", draw_curves(load(directory.path)))
