"""What is done with one pack of cells, in whatever thread, process or machine."""

import gc
import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from threading import Lock

from icl.analysis.figures.shown import draw_shown
from icl.config import AnyConfig
from icl.config.traced import program_of
from icl.files import write_whole
from icl.problems.base import Program
from icl.problems.load import load_program
from icl.records.run_directory import SEQUENCES, RunDirectory
from icl.records.sweep_directory import status_of, step_of
from icl.runs.loggers import Logged
from icl.runs.loop import begin, train_together
from icl.sweeps.plan import Job

MAX_PROGRAMS = 2  # kept, with their exemplars, for the packs to come

_programs: dict[str, Program] = {}
_making = Lock()
_too_many: dict[str, int] = {}  # by program, the fewest cells that did not fit into memory


def run_job(task: Job, received: list[int], saved: Callable[[Path], None] | None = None) -> None:
    """Train the cells of a task that are not finished, each from its last checkpoint.

    Where memory does not suffice the pack is halved, down to single runs.

    received: signals; with the first, all is saved and Interrupted raised.
    saved: told of the folder of each cell whose checkpoint or summary is on the disk.
    """
    going_on: dict[int, list[tuple[Path, AnyConfig]]] = {}
    for path, config in task.cells:
        if status_of(path) in ("missing", "partial"):
            going_on.setdefault(step_of(path), []).append((path, config))
    for step, cells in sorted(going_on.items()):
        if task.until is None or step < task.until:
            _run_cells(task, cells, received, saved)


def _run_cells(
    task: Job,
    cells: Sequence[tuple[Path, AnyConfig]],
    received: list[int],
    saved: Callable[[Path], None] | None,
) -> None:
    """Cells that are at the same step."""
    name = program_of(cells[0][1])
    if 1 < len(cells) >= _too_many.get(name, math.inf):
        _run_halves(task, cells, received, saved)
        return
    try:
        with ExitStack() as stack:
            directories = [
                stack.enter_context(RunDirectory(*cell, task.patience)) for cell in cells
            ]
            program = program_for(cells[0][1])
            for directory in directories:
                begin(program, directory)
            if task.has_picture:
                shown = program.problem.shown(cells[0][1], program.inputs(cells[0][1]))
                write_whole(cells[0][0] / SEQUENCES, draw_shown(shown))
            train_together(
                program,
                directories,
                task.engine,
                Logged(task.loggers, directories, stack),
                received,
                finish=lambda run, summary: run.directory.finish(summary),
                until=task.until,
                saved=None if saved is None else lambda directory: saved(directory.path),
            )
    except RuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error) or len(cells) == 1:
            raise
        _too_many[name] = min(len(cells), _too_many.get(name, len(cells)))
    else:
        return
    gc.collect()
    _run_halves(task, cells, received, saved)


def _run_halves(
    task: Job,
    cells: Sequence[tuple[Path, AnyConfig]],
    received: list[int],
    saved: Callable[[Path], None] | None,
) -> None:
    """One after the other."""
    half = len(cells) // 2
    for part in (cells[:half], cells[half:]):
        run_job(replace(task, cells=tuple(part), has_picture=False), received, saved)


def program_for(config: AnyConfig) -> Program:
    """That of a config, made once while it is among the last that were asked for.

    Raises UserError where its data are missing or broken.
    """
    name = program_of(config)
    with _making:
        if name not in _programs:
            while len(_programs) >= MAX_PROGRAMS:
                del _programs[next(iter(_programs))]
            _programs[name] = load_program(config)
        return _programs[name]
