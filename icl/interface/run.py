"""`Run`: a run as Python users hold it, while it trains or long after."""

import signal
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from icl.config import AnyConfig
from icl.config.yaml import load_config, parse_config
from icl.errors import Interrupted, UserError
from icl.interface.folders import Folder, copy_whole
from icl.records.missing_parts import naming_missing_parts
from icl.records.run_directory import CONFIG, SUMMARY, failure_of
from icl.runs.options import DEFAULTS, Options

if TYPE_CHECKING:
    import pandas
    import xarray

    from icl.analysis.figures.formats import Figure
    from icl.interface.network import TrainedNetwork
    from icl.problems.base import Program
    from icl.types import Variables


class Run:
    """A run at one of its checkpoints: its settings, its records and its network.

    `icl.train` and `icl.load` make it. All that it gives is read from its folder when asked for, so
    that it is right while another process trains the run. JAX is loaded with the first use of the
    network.

    path: folder of the run.
    """

    def __init__(
        self,
        folder: Folder,
        step: int | None = None,
        program: "Program | None" = None,
    ):
        """Open a run at a checkpoint; None: the last. program: of the run, if it is compiled."""
        self._folder, self._step, self._program = folder, step, program
        self.path = folder.path
        if not (self.path / CONFIG).exists():
            raise UserError(f"{self.path}: not the folder of a run (it has no {CONFIG})")

    @cached_property
    def config(self) -> AnyConfig:
        """All settings."""
        with naming_missing_parts(self.path):
            return load_config(self.path / CONFIG)

    @property
    def is_finished(self) -> bool:
        """Whether all steps are made, or the run has converged."""
        return (self.path / SUMMARY).exists()

    @property
    def failure(self) -> str:
        """Why the run cannot go on, such as a loss that is not finite; empty if it can."""
        return failure_of(self.path)

    @property
    def steps(self) -> list[int]:
        """The steps whose states are kept, in order; see the settings `checkpoints`."""
        folder = self.path / "checkpoints"
        return sorted(int(entry.name) for entry in folder.glob("*") if entry.name.isdigit())

    @property
    def step(self) -> int:
        """The step of the network: the last one that is kept, or the one chosen with `at`."""
        if self._step is not None:
            return self._step
        steps = self.steps
        return steps[-1] if steps else 0

    @property
    def dataset(self) -> "xarray.Dataset":
        """Scores and probes of all evaluations so far, over `condition` and `step`.

        A variable for each measure, with further dimensions of its own where it has some; NaN
        where a condition does not have it. Attribute `config`: all settings as YAML.
        """
        from icl.records.dataset import load_run

        return load_run(self.path)

    def to_dataframe(self) -> "pandas.DataFrame":
        """One row for each condition and step, one column for each measure that is one number."""
        from icl.records.export import to_table

        return to_table(self.dataset)

    def at(self, step: int) -> "Run":
        """The same run with the network at another step: 0, or one of `steps`.

        Raises UserError for a step that is not kept.
        """
        if step != 0 and step not in self.steps:
            allowed = ", ".join(map(str, [0, *self.steps]))
            raise UserError(f"step = {step}; allowed: {allowed}, as kept")
        other = Run(self._folder, step, self._program)
        if "network" in self.__dict__:
            other.__dict__["network"] = self.network.at(step)
        return other

    def resume(
        self, num_steps: int | None = None, progress: bool = True, options: Options = DEFAULTS
    ) -> "Run":
        """Go on after an interruption, or beyond the end; returns this run.

        num_steps: of training, in all, in place of the config's. None: a finished run is left as
            it is.
        options: as in `icl.train`.

        Raises UserError for what a user can correct, such as a learning rate that would have been
        another one in a longer run.
        """
        config = self.config
        if num_steps is not None:
            tree = config.model_dump(mode="json")
            tree["training"]["num_steps"] = num_steps
            config = parse_config(tree)
        self._program = train_in(self._folder, config, progress, options) or self._program
        self.__dict__.pop("config", None)
        self.__dict__.pop("network", None)
        return self

    def save(self, out: str | Path) -> "Run":
        """Copy the run to a new folder; returns the copy. Raises UserError if it is there."""
        return Run(Folder(copy_whole(self.path, out)), self._step, self._program)

    def plot(self) -> "Figure":
        """Accuracy and loss against training steps, as a Matplotlib figure."""
        from icl.analysis.figures.curves import curves_figure

        return curves_figure(self.dataset)

    def show(self) -> "Figure":
        """Examples of what the network is trained on, as a Matplotlib figure."""
        from icl.analysis.figures.shown import shown_figure

        return shown_figure(self.network.shown())

    @cached_property
    def network(self) -> "TrainedNetwork":
        """The network at this step, with the data it is trained and tested on."""
        from icl.interface.network import TrainedNetwork

        return TrainedNetwork(self.path, self.config, self._step, self._program)

    @property
    def variables(self) -> "Variables":
        """The numbers of the network at this step: nested dictionaries of arrays."""
        return self.network.state.variables

    def draw(self, condition: str = "train", count: int = 64, seed: int = 0) -> Any:
        """Draw inputs of a condition, as the evaluation at this step would.

        condition: `train`, a name of the docs' list of conditions, or a family of one's own.
        seed: the same one draws the same inputs.

        Returns an `icl.Batch`, or `icl.types.Trials` of a task. Raises UserError for a condition
        that the settings do not allow.
        """
        return self.network.draw(condition, count, seed)

    def apply(self, batch: Any, return_aux: bool = False, query_only: bool = True) -> Any:
        """Logits of the network at this step.

        batch: what `draw` gives, or an `icl.Batch` of one's own; of a task, trials or their inputs
            [trial, step, channel].
        return_aux: whether to return the values inside the network too, by site.
        query_only: logits [batch, label] of the query alone (of a task, of the last step);
            otherwise [batch, token, label] of all tokens.

        Returns logits, or (logits, aux). Raises UserError for inputs that do not fit.
        """
        return self.network.apply(batch, return_aux, query_only)

    def evaluate(
        self, conditions: Iterable[str] | None = None, num_sequences: int | None = None
    ) -> "xarray.Dataset":
        """Test the network at this step, in any conditions and on any number of sequences.

        None: as in the settings. With the settings of the run this gives what it recorded, bit for
        bit.

        Returns the variables of `dataset`, over `condition`. Raises UserError for a condition that
        the settings do not allow.
        """
        return self.network.evaluate(conditions, num_sequences)

    def __repr__(self) -> str:
        state = "finished" if self.is_finished else (self.failure and "diverged") or "not finished"
        where = "in memory" if self._folder.is_temporary else str(self.path)
        return f"<icl.Run {where}: step {self.step} of {self.config.training.num_steps}, {state}>"


def train_in(
    folder: Folder, config: AnyConfig, is_shown: bool, options: Options = DEFAULTS
) -> "Program | None":
    """Train in a folder, or go on there.

    Returns the compiled program; None if the run was finished already, or was interrupted by a
    person who types the commands. Raises UserError for what a user can correct, and Interrupted.
    """
    from icl.interface.progress import is_interactive, run_progress
    from icl.runs.run import train

    progress = run_progress(is_shown)
    try:
        return train(config, folder.path, progress, options=options)
    except Interrupted as interrupt:
        if interrupt.number != signal.SIGINT or not interrupt.step or not is_interactive():
            raise
        progress.say(f"interrupted at step {interrupt.step}; run.resume() goes on")
        return None
