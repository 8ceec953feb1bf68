"""One run from start to end, in a directory of its own, with its pictures."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from icl.config import AnyConfig
from icl.errors import UserError
from icl.records.run_directory import FAILURE, SEQUENCES, RunDirectory
from icl.runs.lengthen import lengthen
from icl.runs.loggers import Loggers, check_loggers, label_of
from icl.runs.options import DEFAULTS, Options
from icl.runs.pictures import write_curves, write_shown
from icl.runs.progress import Progress

if TYPE_CHECKING:
    from icl.problems.base import Program
    from icl.runs.member import Run


def train(
    config: AnyConfig,
    out: str | Path,
    progress: Progress,
    engine: str = "threads",
    options: Options = DEFAULTS,
) -> "Program | None":
    """Train as configured, in the directory `out`; leaves its summary and figures there.

    If the directory holds this run already, training resumes from its last checkpoint; a finished
    run is left as it is. If it holds the same run with fewer steps, finished or not, training goes
    on to the number of steps asked for.

    engine: one of `icl.runs.engines.table.ENGINES`: threads, on this device; spread, on all
        devices of all processes.

    Returns the compiled program of the run; None if it was finished already.

    Raises UserError for what a user can correct, Interrupted after a signal.
    """
    check_loggers(options.loggers)
    with RunDirectory(out, config, 0.0, options.other_code, may_lengthen=True) as directory:
        if directory.failure:
            raise UserError(f"{directory.failure}; to try once more, delete {FAILURE} there")
        if directory.is_finished and not directory.shorter:
            progress.say(
                f"{directory.path} holds this finished run; to train it longer, raise "
                "training.num_steps; for another run, set --out"
            )
            return None
        for note in directory.notes:
            progress.say(note)
        if directory.shorter:
            progress.say(lengthen(directory))
        return _complete(directory, progress, engine, options)


def _complete(
    directory: RunDirectory, progress: Progress, engine: str, options: Options
) -> "Program":
    """Train from the last checkpoint if there is one; leave summary and figures."""
    # JAX takes seconds to load: only once the directory is known to be usable.
    import jax

    from icl.problems.load import load_program
    from icl.problems.memory import check_memory
    from icl.problems.own_settings import own_settings
    from icl.runs.engines.table import ENGINES
    from icl.runs.environment import describe_environment
    from icl.runs.loop import train_together
    from icl.runs.member import begin
    from icl.runs.signals import deferred_signals

    config = directory.config
    describe_environment()  # raises an error if there is no device, before any work
    check_memory(config, jax.device_count() if engine == "spread" else 1)
    progress.say(config.source_text)
    for remark in config.remarks:
        progress.say(remark)
    with deferred_signals(progress.say) as received, own_settings():
        program = load_program(config)
        progress.say(f"network: {config.model.kind}, {program.num_parameters:,} parameters")
        begin(program, directory)
        with ExitStack() as stack:
            label = label_of(config, directory.path.name, tags=options.tags)
            loggers = Loggers(options.loggers, {directory: label}, stack)
            watcher = _Watcher(directory, program, progress, loggers)
            stack.enter_context(progress.training(config.training.num_steps))
            (run,) = train_together(program, [directory], ENGINES[engine], watcher, received)
    if run.failure:
        raise UserError(run.failure)
    return program


class _Watcher:
    """Receives the events of one run: reports them, draws its pictures, writes its summary."""

    saved: Callable[[Path], None] | None = None

    def __init__(
        self, directory: RunDirectory, program: "Program", progress: Progress, loggers: Loggers
    ):
        self._directory, self._program, self._loggers = directory, program, loggers
        self.say, self.compiled, self.advance = progress.say, progress.compiled, progress.advance
        self._show, self._report = progress.evaluated, progress.finished

    def begun(self) -> None:
        if not (self._directory.path / SEQUENCES).exists():
            write_shown(self._directory, self._program)

    def evaluated(self, directory: RunDirectory, record: dict[str, Any]) -> None:
        self._show(directory, record)
        self._loggers.send(directory, record)

    def finish(self, run: "Run", summary: dict[str, Any]) -> None:
        self.begun()  # not called yet if a resumed run had no steps left
        write_curves(self._directory)
        self._directory.finish(summary)
        self._report(summary, self._directory.path)
