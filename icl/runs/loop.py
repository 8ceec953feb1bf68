"""The training loop on the host: train, evaluate, record, save; or go on after a stop.

The runs of a group (see `icl.runs.engines`) pass through the same steps at the same time, each
with a directory of its own. A single run is a group of one.
"""

import signal
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from icl.errors import Interrupted
from icl.problems.base import Inputs, Program
from icl.problems.own_settings import own_settings
from icl.records.checkpoints import Checkpoints
from icl.records.run_directory import RunDirectory
from icl.runs.engines.base import Engine, States
from icl.runs.member import Run
from icl.runs.stopping import is_due
from icl.runs.summary import make_record, summarize

# The device works for about this long between two checks for signals.
SECONDS_PER_CHUNK = 0.5

MakeEngine = Callable[[Program, Sequence[Inputs]], Engine]


@runtime_checkable
class Watcher(Protocol):
    """Receives the events of a group of runs.

    saved: called with the folder of each run whose new checkpoint or summary is on the disk. None:
        nobody waits for it, and checkpoints are written while training goes on.
    """

    saved: Callable[[Path], None] | None

    def say(self, text: str) -> None:
        """Receive a line for a person to read."""
        ...

    def compiled(self, step: int, seconds: float) -> None:
        """The first steps are made; compiling and making them took so many seconds."""
        ...

    def begun(self) -> None:
        """The first steps are made, and the event is in the record."""
        ...

    def advance(self, step: int, loss: float) -> None:
        """Runs are at a step; `loss` is their mean since the last evaluation."""
        ...

    def evaluated(self, directory: RunDirectory, record: dict[str, Any]) -> None:
        """A run was evaluated, and its record is written."""
        ...

    def finish(self, run: Run, summary: dict[str, Any]) -> None:
        """Write the summary of a run that came to its end: the last of its files."""
        ...


@own_settings()
def train_together(
    program: Program,
    directories: Sequence[RunDirectory],
    make_engine: MakeEngine,
    watcher: Watcher,
    received: list[int],
) -> list[Run]:
    """Train runs of one program that have begun, from their last checkpoints, all of one step.

    make_engine: one of `icl.runs.engines.table.ENGINES`.
    received: signals so far; after the first one all is saved and Interrupted is raised.

    Returns the runs, with those that were not finite. Raises UserError for what a user can correct.
    """
    with ExitStack() as stack:
        runs = []
        for directory in directories:
            path, config = directory.path / "checkpoints", directory.config.checkpoints
            runs.append(Run(directory, stack.enter_context(Checkpoints(path, config))))
        TrainingLoop(program, runs, make_engine, watcher, received).train()
        return runs


class TrainingLoop:
    """Trains runs of one program, all at the same step.

    step: the number of steps made so far.
    """

    def __init__(
        self,
        program: Program,
        runs: Sequence[Run],
        make_engine: MakeEngine,
        watcher: Watcher,
        received: list[int],
    ):
        self._begin = time.perf_counter()
        self.runs, self.watcher, self.received = runs, watcher, received
        self._engine = make_engine(program, [program.inputs(run.config) for run in runs])
        states = [run.start_or_resume(program, watcher.say) for run in runs]
        self._states: States = self._engine.place(states)
        self.step = max(run.checkpoints.latest_step or 0 for run in runs)
        config = runs[0].config  # the settings read here are the same in all runs of a program
        self._num_steps = config.training.num_steps
        self._evaluate_every = config.evaluation.every
        self._save_every = config.checkpoints.every
        self._chunk = 1  # steps to make at a time
        self._is_compiled = False

    def train(self) -> None:
        """Make all steps. Raises Interrupted after a signal."""
        while True:
            self._evaluate()
            is_stopping = bool(self._engine.agree(len(self.received)))
            self._save(is_stopping)
            for run in self.runs:
                if run.is_at_end:
                    self._end(run)
            remaining = [run for run in self.runs if run.is_training]
            if self.step >= self._num_steps or not remaining:
                return
            if is_stopping:
                self._interrupt(remaining)
            self._advance()

    def _evaluate(self) -> None:
        """Write a record for each run that lacks it, if one is due."""
        step = self.step
        if not is_due(step, self._evaluate_every, self._num_steps):
            return
        if not any(run.lacks(step) for run in self.runs):
            return
        sums, scores = self._engine.progress(self._states), self._engine.evaluate(self._states)
        for run, own, (_, loss) in zip(self.runs, scores, sums, strict=True):
            if run.lacks(step):
                run.records.append(make_record(run.config, step, loss, own))
                run.directory.record(run.records[-1])
                self.watcher.evaluated(run.directory, run.records[-1])
        self._states = self._engine.begin_record(self._states)

    def _save(self, is_stopping: bool) -> None:
        """Save the states of runs that go on, or come to their end here, if that is due."""
        is_wanted = is_stopping or any(run.is_at_end for run in self.runs)
        is_wanted |= is_due(self.step, self._save_every, self._num_steps)
        if not self.step or not is_wanted:
            return
        for run, state in zip(self.runs, self._engine.fetch(self._states), strict=True):
            if run.is_training:
                run.checkpoints.save(self.step, state)
        saved = self.watcher.saved
        for run in self.runs:
            if run.is_training and (is_stopping or self.step >= self._num_steps or saved):
                run.checkpoints.wait()
            if run.is_training and saved:
                saved(run.directory.path)

    def _end(self, run: Run) -> None:
        """Leave the summary: the last file of a run."""
        run.checkpoints.wait()
        run.directory.log("end", step=run.records[-1]["step"])
        self.watcher.finish(run, summarize(run.records))
        run.is_finished = True
        if self.watcher.saved:
            self.watcher.saved(run.directory.path)

    def _interrupt(self, remaining: list[Run]) -> None:
        # A process that received no signal stops because another process received one.
        number = self.received[0] if self.received else signal.SIGTERM
        for run in remaining:
            run.directory.log("interrupt", step=self.step, signal=number)
        raise Interrupted(number, self.step)

    def _advance(self) -> None:
        """Make the steps of a chunk, at most up to what is due next."""
        dues = [_next_due(self.step, every) for every in (self._evaluate_every, self._save_every)]
        stop = min(self._engine.agree(self.step + self._chunk), *dues, self._num_steps)
        begin = time.perf_counter()
        self._states = self._engine.train(self._states, stop)
        progress = self._engine.progress(self._states)
        seconds = time.perf_counter() - begin
        for run, (bad_step, _) in zip(self.runs, progress, strict=True):
            if bad_step and run.is_training:
                run.fail(bad_step)
        if self._is_compiled:
            # At most fourfold, so that one fast reading cannot make a chunk too long.
            ratio = min(SECONDS_PER_CHUNK / max(seconds, 1e-6), 4.0)
            self._chunk = max(1, int((stop - self.step) * ratio))
        else:
            self._note_compiled(stop)
        self.step = stop
        self.watcher.advance(stop, float(np.mean([loss for _, loss in progress])))

    def _note_compiled(self, stop: int) -> None:
        """Report the time until the first steps are made: all programs, the first evaluation."""
        seconds = time.perf_counter() - self._begin
        self.watcher.compiled(stop, seconds)
        self.runs[0].directory.log("compiled", seconds=round(seconds, 2))
        self._chunk, self._is_compiled = 10, True
        self.watcher.begun()


def _next_due(step: int, every: int) -> int:
    return (step // every + 1) * every
