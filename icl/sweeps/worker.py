"""Trains one job: a group of cells of one program, in whatever thread, process or machine."""

import gc
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from icl.config import AnyConfig
from icl.problems.own_settings import own_settings
from icl.records.run_directory import RunDirectory, step_of
from icl.records.sweep_directory import status_of
from icl.runs.engines.table import ENGINES
from icl.runs.loggers import Label, Logged, Loggers
from icl.runs.loop import train_together
from icl.runs.member import begin
from icl.runs.pictures import write_shown
from icl.sweeps.plan import Job
from icl.sweeps.programs import ProgramCache

Cells = Sequence[tuple[Path, AnyConfig]]


class Worker:
    """Trains jobs. Threads may share it.

    programs: kept from job to job.
    received: signals so far; after the first one all is saved and Interrupted is raised.
    saved: called with the folder of each cell whose checkpoint or summary is on the disk.
    """

    def __init__(
        self,
        programs: ProgramCache,
        received: list[int],
        saved: Callable[[Path], None] | None = None,
    ):
        self._programs, self._received, self._saved = programs, received, saved

    def run(self, job: Job) -> None:
        """Train the cells of a job that are not finished, each from its last checkpoint.

        Where they do not fit into memory together, the group is halved, down to single runs.
        """
        by_step: dict[int, list[tuple[Path, AnyConfig]]] = {}
        for path, config in job.cells:
            if status_of(path) in ("missing", "partial"):
                by_step.setdefault(step_of(path), []).append((path, config))
        for step in sorted(by_step):
            self._run_cells(job, by_step[step])

    def _run_cells(self, job: Job, cells: Cells) -> None:
        """Train cells that are at the same step."""
        config = cells[0][1]
        if len(cells) == 1 or self._programs.may_fit(config, len(cells)):
            try:
                self._train(job, cells)
                return
            except RuntimeError as error:
                if "RESOURCE_EXHAUSTED" not in str(error) or len(cells) == 1:
                    raise
                self._programs.note_too_many(config, len(cells))
            gc.collect()
        half = len(cells) // 2
        for part in (cells[:half], cells[half:]):
            self.run(replace(job, cells=tuple(part), has_picture=False))

    @own_settings()
    def _train(self, job: Job, cells: Cells) -> None:
        with ExitStack() as stack:
            other_code = job.options.other_code
            directories = [
                stack.enter_context(RunDirectory(*cell, job.patience, other_code)) for cell in cells
            ]
            program, compilations = self._programs.get(cells[0][1])
            for directory in directories:
                begin(program, directory)
            if job.has_picture:
                write_shown(directories[0], program)
            labels = {own: job.labels.get(own.path.name, Label()) for own in directories}
            train_together(
                program,
                directories,
                partial(ENGINES[job.engine], compilations=compilations),
                Logged(Loggers(job.options.loggers, labels, stack), self._saved),
                self._received,
            )
