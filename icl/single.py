"""One run from start to end, with its pictures."""

from typing import Any

from icl.config import AnyConfig, TaskExperimentConfig
from icl.environment import describe_environment
from icl.errors import UserError
from icl.loading import load_program
from icl.loop import Run, begin, deferred_signals, train_together
from icl.program import Program
from icl.progress import Progress
from icl.records import load
from icl.records.run_directory import SEQUENCES, RunDirectory, write_whole


def complete(directory: RunDirectory, progress: Progress, engine: str = "threads") -> None:
    """Train as configured, from the last checkpoint if there is one; leave summary and figures.

    engine: of `icl.packs.ENGINES`.

    Raises UserError for what a user can mend, Interrupted after a signal.
    """
    config = directory.config
    describe_environment()  # whether there is a device at all, before any work
    progress.say(_told(config))
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


def _told(config: AnyConfig) -> str:
    """What a run is about to load."""
    if isinstance(config, TaskExperimentConfig):
        return f"task: {config.task.kind}"
    return f"exemplars: {config.data.source.kind}"


# The plotting library takes a second to load: the first steps do not wait for it.


def _draw_shown(directory: RunDirectory, program: Program) -> None:
    from icl.analysis.pictures import draw_shown

    write_whole(directory.path / SEQUENCES, draw_shown(program, directory.config))


def _draw_curves(directory: RunDirectory) -> None:
    from icl.analysis.curves import draw_curves

    write_whole(directory.path / "curves.png", draw_curves(load(directory.path)))
