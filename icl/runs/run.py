"""One run from start to end, in a directory of its own, with its pictures."""

from pathlib import Path
from typing import Any

from icl.config import AnyConfig
from icl.errors import UserError
from icl.files import write_whole
from icl.records.run_directory import FAILURE, SEQUENCES, RunDirectory
from icl.runs.progress import Progress


def run(config: AnyConfig, out: str | Path, progress: Progress, engine: str = "threads") -> None:
    """Train as configured, in the directory `out`; leaves its summary and figures there.

    engine: of `icl.runs.engines.table.ENGINES`: threads, this device; spread, all devices of all
        processes.

    Raises UserError for what a user can mend, Interrupted after a signal.
    """
    with RunDirectory(out, config) as directory:
        if directory.is_finished:
            progress.say(f"{directory.path} holds this run, finished; for another, give --out")
            return
        if directory.failure:
            raise UserError(f"{directory.failure}; to try once more, delete {FAILURE} there")
        _complete(directory, config, progress, engine)


def _complete(directory: RunDirectory, config: AnyConfig, progress: Progress, engine: str) -> None:
    """Train from the last checkpoint if there is one; leave summary and figures."""
    # JAX takes seconds to load: only once the directory is known to be usable.
    from icl.problems.load import load_program
    from icl.runs.environment import describe_environment
    from icl.runs.loop import Run, begin, deferred_signals, train_together

    describe_environment()  # whether there is a device at all, before any work
    progress.say(config.source_text)
    with deferred_signals(progress.say) as received:
        program = load_program(config)
        progress.say(f"network: {config.model.kind}, {program.num_parameters:,} parameters")

        begin(program, directory)

        def draw_once() -> None:
            if not (directory.path / SEQUENCES).exists():
                _draw_shown(directory, program)

        def finish(run: Run, summary: dict[str, Any]) -> None:
            draw_once()
            _draw_curves(directory)
            directory.finish(summary)
            progress.finished(summary, directory.path)

        with progress.training(config.training.num_steps):
            (run,) = train_together(
                program, [directory], engine, progress, received, finish, begun=draw_once
            )
    if run.failure:
        raise UserError(run.failure)


# The plotting library takes a second to load: the first steps do not wait for it.


def _draw_shown(directory: RunDirectory, program: Any) -> None:
    from icl.analysis.figures.shown import draw_shown

    config = directory.config
    shown = program.problem.shown(config, program.inputs(config))
    write_whole(directory.path / SEQUENCES, draw_shown(shown))


def _draw_curves(directory: RunDirectory) -> None:
    from icl.analysis.figures.curves import draw_curves
    from icl.records import load

    write_whole(directory.path / "curves.png", draw_curves(load(directory.path)))
