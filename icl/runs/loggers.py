"""Learning curves sent elsewhere while they grow: one function for each place.

A logger is made for a run's directory; it is told every evaluation, and closed at the end. What
it does is beside the record: a run is the same with it and without.
"""

import importlib
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, NamedTuple

from icl.errors import UserError
from icl.records.run_directory import RunDirectory

Numbers = dict[str, float]


class Logger(NamedTuple):
    """log: (step, numbers by name such as `fewshot_holdout/accuracy`). close: at the end."""

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
    """A run of Weights & Biases, of the project `icl` unless `WANDB_PROJECT` names another.

    It has the name of the run's folder, so that a resumed run goes on in the same place.
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
    """Raise UserError where what a logger needs is not installed."""
    for name in names:
        try:
            importlib.import_module(PACKAGES[name])
        except ImportError:
            raise UserError(
                f"--log = {name}: needs {PACKAGES[name]}; allowed after: "
                f"pip install {PACKAGES[name]}"
            ) from None


class Logged:
    """The watcher of a pack (see `icl.runs.loop.Watcher`) that tells loggers, and no person."""

    def __init__(self, names: tuple[str, ...], directories: list[RunDirectory], stack: ExitStack):
        self._loggers = {
            directory.path: [LOGGERS[name](directory) for name in names]
            for directory in directories
        }
        for loggers in self._loggers.values():
            for logger in loggers:
                stack.callback(logger.close)

    def say(self, text: str) -> None: ...
    def compiled(self, step: int, seconds: float) -> None: ...
    def advance(self, step: int, loss: float) -> None: ...

    def evaluated(self, directory: RunDirectory, record: dict[str, Any]) -> None:
        """An evaluation was made."""
        numbers = numbers_of(record)
        for logger in self._loggers[directory.path]:
            logger.log(record["step"], numbers)


def numbers_of(record: dict[str, Any]) -> Numbers:
    """The single numbers of an evaluation, by name."""
    tables = {"train": record["train"]} | record["conditions"]
    return {
        f"{table}/{name}": value
        for table, values in tables.items()
        for name, value in values.items()
        if isinstance(value, int | float)
    }
