"""One run from start to end, in a directory of its own, with its pictures."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from icl.config import AnyConfig
from icl.errors import UserError
from icl.records.run_directory import FAILURE, SEQUENCES, RunDirectory
from icl.runs.pictures import write_curves, write_shown
from icl.runs.progress import Progress

if TYPE_CHECKING:
    from icl.problems.base import Program
    from icl.runs.member import Run


def train(config: AnyConfig, out: str | Path, progress: Progress, engine: str = "threads") -> None:
    """Train as configured, in the directory `out`; leaves its summary and figures there.

    If the directory holds this run already, training resumes from its last checkpoint; a finished
    run is left as it is.

    engine: one of `icl.runs.engines.table.ENGINES`: threads, on this device; spread, on all
        devices of all processes.

    Raises UserError for what a user can correct, Interrupted after a signal.
    """
    with RunDirectory(out, config) as directory:
        if directory.is_finished:
            progress.say(f"{directory.path} holds this finished run; for another run, set --out")
            return
        if directory.failure:
            raise UserError(f"{directory.failure}; to try once more, delete {FAILURE} there")
        _complete(directory, progress, engine)


def _complete(directory: RunDirectory, progress: Progress, engine: str) -> None:
    """Train from the last checkpoint if there is one; leave summary and figures."""
    # JAX takes seconds to load: only once the directory is known to be usable.
    from icl.problems.load import load_program
    from icl.problems.own_settings import own_settings
    from icl.runs.engines.table import ENGINES
    from icl.runs.environment import describe_environment
    from icl.runs.loop import train_together
    from icl.runs.member import begin
    from icl.runs.signals import deferred_signals

    config = directory.config
    describe_environment()  # raises an error if there is no device, before any work
    progress.say(config.source_text)
    with deferred_signals(progress.say) as received, own_settings():
        program = load_program(config)
        progress.say(f"network: {config.model.kind}, {program.num_parameters:,} parameters")
        begin(program, directory)
        watcher = _Watcher(directory, program, progress)
        with progress.training(config.training.num_steps):
            (run,) = train_together(program, [directory], ENGINES[engine], watcher, received)
    if run.failure:
        raise UserError(run.failure)


class _Watcher:
    """Receives the events of one run: reports them, draws its pictures, writes its summary."""

    saved: Callable[[Path], None] | None = None

    def __init__(self, directory: RunDirectory, program: "Program", progress: Progress):
        self._directory, self._program = directory, program
        self.say, self.compiled = progress.say, progress.compiled
        self.advance, self.evaluated = progress.advance, progress.evaluated
        self._report = progress.finished

    def begun(self) -> None:
        if not (self._directory.path / SEQUENCES).exists():
            write_shown(self._directory, self._program)

    def finish(self, run: "Run", summary: dict[str, Any]) -> None:
        self.begun()  # not called yet if a resumed run had no steps left
        write_curves(self._directory)
        self._directory.finish(summary)
        self._report(summary, self._directory.path)
