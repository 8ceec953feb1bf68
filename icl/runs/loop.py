"""Runs on the host: train, evaluate, record, save; or go on where they were stopped.

Runs that go together (see `icl.runs.engines`) pass through the same steps at the same time, each
with its own directory. A single run is a pack of one.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Protocol, runtime_checkable

import numpy as np

from icl.config import AnyConfig
from icl.errors import Interrupted, UserError
from icl.files import to_lines, write_whole
from icl.probes.weight_statistics import measure_matrix, stability_warning
from icl.problems.base import Program
from icl.records.checkpoints import Checkpoints, check_space
from icl.records.run_directory import CONNECTIVITY, RunDirectory
from icl.runs.engines.base import Lanes, Pack
from icl.runs.engines.table import ENGINES
from icl.runs.environment import describe_environment
from icl.runs.stopping import is_last
from icl.runs.summary import make_record, summarize
from icl.training.step import TrainState

# The device works about this long between two looks at signals and the progress bar.
SECONDS_PER_CHUNK = 0.5


@runtime_checkable
class Watcher(Protocol):
    """Who is told how a pack gets on."""

    def say(self, text: str) -> None: ...
    def compiled(self, step: int, seconds: float) -> None: ...
    def advance(self, step: int, loss: float) -> None: ...
    def evaluated(self, directory: RunDirectory, record: dict[str, Any]) -> None: ...


Finish = Callable[["Run", dict[str, Any]], None]
Saved = Callable[[RunDirectory], None]


@dataclass
class Run:
    """One of the runs of a pack.

    records: of its evaluations so far.
    failure: why it cannot go on; empty: it can.
    is_finished: trained to its end, or converged, and left its summary.
    """

    directory: RunDirectory
    checkpoints: Checkpoints
    records: list[dict[str, Any]] = field(default_factory=list)
    failure: str = ""
    is_finished: bool = False

    @property
    def config(self) -> AnyConfig:
        return self.directory.config

    @property
    def is_training(self) -> bool:
        return not self.is_finished and not self.failure

    @property
    def is_at_end(self) -> bool:
        """Whether its last evaluation is made, and only its summary is to be written."""
        training = self.config.training
        return self.is_training and bool(self.records) and is_last(training, self.records)

    def lacks(self, step: int) -> bool:
        """Whether an evaluation at a step is still to be made."""
        return self.is_training and (not self.records or self.records[-1]["step"] < step)


def begin(program: Program, directory: RunDirectory) -> None:
    """Write to a run's directory for the first time. Raises UserError where the disk is full."""
    environment = describe_environment()
    if not directory.has_begun:
        check_space(directory.path, directory.config.checkpoints, program.shapes)
    directory.begin(environment)


def train_together(
    program: Program,
    directories: Sequence[RunDirectory],
    engine: str,
    watcher: Watcher,
    received: list[int],
    finish: Finish,
    until: int | None = None,
    saved: Saved | None = None,
    begun: Callable[[], None] = lambda: None,
) -> list[Run]:
    """Train runs of one program that have begun, from their last checkpoints, all of one step.

    engine: of `icl.runs.engines.table.ENGINES`.
    received: signals so far; with the first, all is saved and Interrupted raised.
    finish: what to do with a run that came to its end, and its summary.
    until: the step to stop at, saved; None: the end.
    saved: told of each run whose checkpoint is on the disk.
    begun: told once, when the first steps are made.

    Returns the runs, those that were not finite among them. Raises UserError for what a user can
    mend.
    """
    with ExitStack() as stack:
        runs = []
        for directory in directories:
            path, kept = directory.path / "checkpoints", directory.config.checkpoints
            runs.append(Run(directory, stack.enter_context(Checkpoints(path, kept))))
        start = time.perf_counter()
        pack = ENGINES[engine](program, [program.inputs(run.config) for run in runs])
        lanes = pack.place([_start_or_resume(program, run, watcher) for run in runs])
        step = max(run.checkpoints.latest_step or 0 for run in runs)
        _train(pack, lanes, step, runs, watcher, received, finish, until, saved, begun, start)
        return runs


def _train(
    pack: Pack,
    lanes: Lanes,
    step: int,
    runs: list[Run],
    watcher: Watcher,
    received: list[int],
    finish: Finish,
    until: int | None,
    saved: Saved | None,
    begun: Callable[[], None],
    start: float,
) -> None:
    """The steps that are not yet made, in chunks."""
    config = runs[0].config  # of what is read here, all runs of a program have the same
    num_steps, every = config.training.num_steps, config.evaluation.every
    end = min(until or num_steps, num_steps)
    chunk, is_compiled = 1, False
    while True:
        if _is_due(step, every, num_steps) and any(run.lacks(step) for run in runs):
            _evaluate(pack, lanes, step, runs, watcher)
            lanes = pack.begin_record(lanes)
        is_stopping = bool(pack.agree(len(received)))
        has_ended = any(run.is_at_end for run in runs)
        if step and (_is_due(step, config.checkpoints.every, end) or is_stopping or has_ended):
            _save(pack, lanes, step, runs, saved, wait=is_stopping or step >= end)
        for run in runs:
            if run.is_at_end:
                _end(run, finish, saved)
        going_on = [run for run in runs if run.is_training]
        if step >= end or not going_on:
            return
        if is_stopping:
            number = received[0] if received else signal.SIGTERM  # that of another process
            for run in going_on:
                run.directory.log("interrupt", step=step, signal=number)
            raise Interrupted(number, step)
        dues = [_next_due(step, due) for due in (every, config.checkpoints.every)]
        stop = min(pack.agree(step + chunk), *dues, end)
        begin = time.perf_counter()
        lanes = pack.train(lanes, stop)
        progress = pack.progress(lanes)
        seconds = time.perf_counter() - begin
        for run, (bad_step, _) in zip(runs, progress, strict=True):
            if bad_step and run.is_training:
                _fail(run, bad_step)
        if not is_compiled:
            seconds = time.perf_counter() - start  # all programs, the first evaluation too
            watcher.compiled(stop, seconds)
            runs[0].directory.log("compiled", seconds=round(seconds, 2))
            chunk, is_compiled = 10, True
            begun()
        else:
            # At most fourfold, so that one fast reading cannot make a chunk too long.
            ratio = SECONDS_PER_CHUNK / max(seconds, 1e-6)
            chunk = max(1, int((stop - step) * min(ratio, 4.0)))
        step = stop
        watcher.advance(step, float(np.mean([loss for _, loss in progress])))


def _evaluate(pack: Pack, lanes: Lanes, step: int, runs: list[Run], watcher: Watcher) -> None:
    """A record for each run that lacks it."""
    sums = pack.progress(lanes)
    for run, scores, (_, loss) in zip(runs, pack.evaluate(lanes), sums, strict=True):
        if run.lacks(step):
            run.records.append(make_record(run.config, step, loss, scores))
            run.directory.record(run.records[-1])
            watcher.evaluated(run.directory, run.records[-1])


def _save(
    pack: Pack, lanes: Lanes, step: int, runs: list[Run], saved: Saved | None, wait: bool
) -> None:
    """The states of runs that go on, or come to their end here."""
    going_on = [run.is_training for run in runs]
    for run, state in zip(runs, pack.fetch(lanes), strict=True):
        if run.is_training:
            run.checkpoints.save(step, state)
    for run, is_saved in zip(runs, going_on, strict=True):
        if is_saved and (wait or saved):
            run.checkpoints.wait()
        if is_saved and saved:
            saved(run.directory)


def _end(run: Run, finish: Finish, saved: Saved | None) -> None:
    """Leave the summary: the last file of a run."""
    run.checkpoints.wait()
    run.directory.log("end", step=run.records[-1]["step"])
    finish(run, summarize(run.records))
    run.is_finished = True
    if saved:
        saved(run.directory)


def _fail(run: Run, bad_step: int) -> None:
    """Stop one run whose numbers are no longer numbers."""
    run.checkpoints.wait()
    run.failure = (
        f"the loss or its gradient is not finite at step {bad_step}; lower "
        "training.learning_rate or set training.clip_norm; the last good checkpoint in "
        f"{run.checkpoints.path} is of step {run.checkpoints.latest_step or '(none yet)'}"
    )
    run.directory.fail(bad_step, run.failure)


def _start_or_resume(program: Program, run: Run, watcher: Watcher) -> TrainState:
    """The state that a run goes on from; its records up to there."""
    directory, step = run.directory, run.checkpoints.latest_step
    if step is None:
        directory.rewind(-1)
        state = program.init(program.inputs(run.config))
        measured = {
            name: measure_matrix(np.asarray(matrix))
            for name, matrix in program.matrices(state).items()
        }
        write_whole(directory.path / CONNECTIVITY, to_lines(measured))
        if warning := stability_warning(run.config.model.kind, measured):
            directory.log("warning", text=warning)
            watcher.say(warning)
        return state
    state = run.checkpoints.restore(step, program.shapes)
    directory.log("restored", step=step)
    watcher.say(f"going on from step {step}")
    run.records = directory.rewind(step)
    every, num_steps = run.config.evaluation.every, run.config.training.num_steps
    expected = [s for s in range(step + 1) if _is_due(s, every, num_steps)]
    if [record["step"] for record in run.records] != expected:
        raise UserError(
            f"{directory.path}: metrics.jsonl does not hold the evaluations up to the checkpoint "
            f"at step {step}; restore the file or start in a new folder"
        )
    return state


def _is_due(step: int, every: int, num_steps: int) -> bool:
    return step % every == 0 or step == num_steps


def _next_due(step: int, every: int) -> int:
    return (step // every + 1) * every


@contextmanager
def deferred_signals(say: Callable[[str], None]) -> Iterator[list[int]]:
    """Collect Ctrl+C and SIGTERM instead of ending; a second one ends at once.

    Signals reach a process's main thread only; in others nothing is collected.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def note(number: int, frame: FrameType | None) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)
        say("stopping after this step; once more to stop at once")

    previous = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
