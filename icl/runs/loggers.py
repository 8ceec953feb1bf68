"""Learning curves sent to other tools during training: one function for each tool.

A logger is made for a run's directory and a label, receives every evaluation, and is closed at the
end. It changes nothing in the run or its records.
"""

import importlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from icl.config import AnyConfig
from icl.config.parts import find
from icl.errors import UserError
from icl.records.run_directory import RunDirectory

if TYPE_CHECKING:
    from icl.runs.member import Run

MAX_NAME, MAX_TAG = 128, 64  # characters that Weights & Biases takes
Numbers = dict[str, float]


class Label(NamedTuple):
    """How a tool shows a run, beside others. group: empty for none."""

    name: str = ""
    group: str = ""
    tags: tuple[str, ...] = ()


class Logger(NamedTuple):
    """A destination of the numbers of one run.

    log: called with a step and numbers by name, such as `fewshot_holdout/accuracy`.
    close: called at the end.
    """

    log: Callable[[int, Numbers], None]
    close: Callable[[], None]


def tensorboard(directory: RunDirectory, label: Label) -> Logger:
    """Event files in `tensorboard/` of the run's folder, for TensorBoard."""
    from tensorboardX import SummaryWriter

    writer = SummaryWriter(str(directory.path / "tensorboard"))

    def log(step: int, numbers: Numbers) -> None:
        for name, value in numbers.items():
            writer.add_scalar(name, value, step)

    return Logger(log, writer.close)


def wandb(directory: RunDirectory, label: Label) -> Logger:
    """A run of Weights & Biases, in the project `icl` unless `WANDB_PROJECT` names another.

    Its id is the run's own, so that a resumed run continues the same curve, and the same cell in
    two folders has two curves.
    """
    import wandb as library

    run = library.init(
        project=library.Settings().project or "icl",
        id=directory.history.run_id,
        name=label.name[:MAX_NAME],
        group=label.group[:MAX_NAME] or None,
        tags=[tag[:MAX_TAG] for tag in label.tags],
        dir=str(directory.path),
        config=directory.config.model_dump(mode="json"),
        resume="allow",
        reinit="create_new",  # several runs of one process at a time
    )
    return Logger(lambda step, numbers: run.log(numbers, step=step), run.finish)


MakeLogger = Callable[[RunDirectory, Label], Logger]

LOGGERS: dict[str, MakeLogger] = {"tensorboard": tensorboard, "wandb": wandb}
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


def label_of(config: AnyConfig, name: str, group: str = "", tags: tuple[str, ...] = ()) -> Label:
    """The label of a run: its tags are those given, its data or task, and its network."""
    return Label(name, group, (*tags, config.source.kind, config.model.kind))


class Loggers:
    """The loggers of a group of runs, each with its label. `stack` closes them."""

    def __init__(
        self, names: tuple[str, ...], labels: Mapping[RunDirectory, Label], stack: ExitStack
    ):
        self._of_run: dict[Path, list[Logger]] = {}
        for directory, label in labels.items():
            for name in names:
                logger = find(LOGGERS, "logger", name)(directory, label)
                stack.callback(logger.close)
                self._of_run.setdefault(directory.path, []).append(logger)

    def send(self, directory: RunDirectory, record: dict[str, Any]) -> None:
        """Send the numbers of an evaluation."""
        for logger in self._of_run.get(directory.path, []):
            logger.log(record["step"], numbers_of(record))


class Logged:
    """Sends the evaluations of a group of runs to their loggers; reports nothing to a person.

    An implementation of `icl.runs.loop.Watcher`.
    """

    def __init__(self, loggers: Loggers, saved: Callable[[Path], None] | None = None):
        self.saved, self._loggers = saved, loggers

    def say(self, text: str) -> None: ...
    def compiled(self, step: int, seconds: float) -> None: ...
    def begun(self) -> None: ...
    def advance(self, step: int, loss: float) -> None: ...

    def evaluated(self, directory: RunDirectory, record: dict[str, Any]) -> None:
        """Send the numbers of an evaluation."""
        self._loggers.send(directory, record)

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
