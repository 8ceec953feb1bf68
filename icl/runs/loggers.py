"""Learning curves sent to other tools during training: one function for each tool.

A logger is made for a run's directory, receives every evaluation, and is closed at the end. It
changes nothing in the run or its records.
"""

import importlib
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from icl.config.parts import find
from icl.errors import UserError
from icl.records.run_directory import RunDirectory

if TYPE_CHECKING:
    from icl.runs.member import Run

Numbers = dict[str, float]


class Logger(NamedTuple):
    """A destination of the numbers of one run.

    log: called with a step and numbers by name, such as `fewshot_holdout/accuracy`.
    close: called at the end.
    """

    log: Callable[[int, Numbers], None]
    close: Callable[[], None]


def tensorboard(directory: RunDirectory) -> Logger:
    """Event files in `tensorboard/` of the run's folder, for TensorBoard."""
    from tensorboardX import SummaryWriter

    writer = SummaryWriter(str(directory.path / "tensorboard"))

    def log(step: int, numbers: Numbers) -> None:
        for name, value in numbers.items():
            writer.add_scalar(name, value, step)

    return Logger(log, writer.close)


def wandb(directory: RunDirectory) -> Logger:
    """A run of Weights & Biases, in the project `icl` unless `WANDB_PROJECT` names another.

    Its id is the name of the run's folder, so that a resumed run continues the same curve.
    """
    import wandb as library

    run = library.init(
        project=library.Settings().project or "icl",
        id=directory.path.name,
        dir=str(directory.path),
        config=directory.config.model_dump(mode="json"),
        resume="allow",
        reinit="create_new",  # several runs of one process at a time
    )
    return Logger(lambda step, numbers: run.log(numbers, step=step), run.finish)


LOGGERS: dict[str, Callable[[RunDirectory], Logger]] = {"tensorboard": tensorboard, "wandb": wandb}
PACKAGES = {"tensorboard": "tensorboardX", "wandb": "wandb"}


def check_loggers(names: tuple[str, ...]) -> None:
    """Raise UserError where a logger, or a package that it needs, is not installed."""
    for name in names:
        if name not in PACKAGES:
            find(LOGGERS, "logger", name)
            continue
        try:
            importlib.import_module(PACKAGES[name])
        except ImportError:
            raise UserError(
                f"--log = {name}: needs {PACKAGES[name]}; allowed after: "
                f"pip install {PACKAGES[name]}"
            ) from None


class Logged:
    """Sends the evaluations of a group of runs to their loggers; reports nothing to a person.

    An implementation of `icl.runs.loop.Watcher`. `stack` closes the loggers.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        directories: list[RunDirectory],
        stack: ExitStack,
        saved: Callable[[Path], None] | None = None,
    ):
        self.saved = saved
        self._loggers = {
            directory.path: [find(LOGGERS, "logger", name)(directory) for name in names]
            for directory in directories
        }
        for loggers in self._loggers.values():
            for logger in loggers:
                stack.callback(logger.close)

    def say(self, text: str) -> None: ...
    def compiled(self, step: int, seconds: float) -> None: ...
    def begun(self) -> None: ...
    def advance(self, step: int, loss: float) -> None: ...

    def evaluated(self, directory: RunDirectory, record: dict[str, Any]) -> None:
        """Send the numbers of an evaluation."""
        numbers = numbers_of(record)
        for logger in self._loggers[directory.path]:
            logger.log(record["step"], numbers)

    def finish(self, run: "Run", summary: dict[str, Any]) -> None:
        """Write the summary."""
        run.directory.finish(summary)


def numbers_of(record: dict[str, Any]) -> Numbers:
    """The single numbers of an evaluation, by name."""
    tables = {"train": record["train"]} | record["conditions"]
    return {
        f"{table}/{name}": value
        for table, values in tables.items()
        for name, value in values.items()
        if isinstance(value, int | float)
    }
