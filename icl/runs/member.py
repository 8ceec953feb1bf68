"""One run of a group: its directory, its checkpoints, its records so far."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
import numpy as np

from icl.config import AnyConfig
from icl.config.used_parts import describe_parts
from icl.errors import UserError
from icl.files import to_lines, write_whole
from icl.probes.weight_statistics import measure_matrix, stability_warning
from icl.problems.base import Program
from icl.records.checkpoints import Checkpoints, check_space
from icl.records.history import EVENTS
from icl.records.lines import read_lines
from icl.records.run_directory import CONNECTIVITY, RunDirectory
from icl.runs.environment import changed_settings, describe_environment
from icl.runs.stopping import is_due, is_last
from icl.training.step import TrainState


@dataclass
class Run:
    """One of the runs of a group.

    records: its evaluations so far.
    failure: why it cannot go on; empty: it can.
    is_finished: whether it has come to its end, or converged, and has its summary.
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
        """Whether its last evaluation is made and only its summary is missing."""
        training = self.config.training
        return self.is_training and bool(self.records) and is_last(training, self.records)

    def lacks(self, step: int) -> bool:
        """Whether the evaluation at a step is still to be made."""
        return self.is_training and (not self.records or self.records[-1]["step"] < step)

    def start_or_resume(self, program: Program, say: Callable[[str], None]) -> TrainState:
        """Return the state to continue from, and read the records up to its step.

        Raises UserError where checkpoint and records do not belong together.
        """
        step = self.checkpoints.latest_step
        if step is None:
            return self._start(program, say)
        return self._resume(program, step, say)

    def fail(self, bad_step: int) -> None:
        """Stop because the loss or its gradient was not finite at a step."""
        self.checkpoints.wait()
        self.failure = (
            f"the loss or its gradient is not finite at step {bad_step}; lower "
            "training.learning_rate or set training.clip_norm; the last good checkpoint in "
            f"{self.checkpoints.path} is of step {self.checkpoints.latest_step or '(none yet)'}"
        )
        self.directory.fail(bad_step, self.failure)

    def _start(self, program: Program, say: Callable[[str], None]) -> TrainState:
        self.directory.rewind(-1)
        state = program.init(program.inputs(self.config))
        measured = {
            name: measure_matrix(np.asarray(matrix))
            for name, matrix in program.matrices(state).items()
        }
        write_whole(self.directory.path / CONNECTIVITY, to_lines(measured))
        if warning := stability_warning(self.config.model.kind, measured):
            self.directory.log("warning", text=warning)
            say(warning)
        return state

    def _resume(self, program: Program, step: int, say: Callable[[str], None]) -> TrainState:
        state = self.checkpoints.restore(step, program.shapes)
        self.directory.log("restored", step=step)
        say(f"resuming from step {step}")
        with suppress(UserError):  # events are for people to read: a corrupt line stops no run
            if text := changed_settings(read_lines(self.directory.path / EVENTS)):
                self.directory.log("warning", text=text)
                say(text)
        every, num_steps = self.config.evaluation.every, self.config.training.num_steps
        lengthened, dropped = self.directory.history.lengthened, None
        if lengthened and not is_due(lengthened.step, every, num_steps):
            dropped = lengthened.step
        if lengthened and lengthened.loss_count and lengthened.step == step:
            sums = jnp.float32(lengthened.loss_sum), jnp.int32(lengthened.loss_count)
            state = state._replace(loss_sum=sums[0], loss_count=sums[1])
        self.records = self.directory.rewind(step, dropped)
        expected = [s for s in range(step + 1) if is_due(s, every, num_steps)]
        if [record["step"] for record in self.records] != expected:
            raise UserError(
                f"{self.directory.path}: metrics.jsonl does not hold the evaluations up to the "
                f"checkpoint at step {step}; restore the file or start in a new folder"
            )
        return state


def begin(program: Program, directory: RunDirectory) -> None:
    """Write to a run's directory for the first time. Raises UserError where the disk is full."""
    environment = describe_environment()
    if not directory.has_begun:
        check_space(directory.path, directory.config.checkpoints, program.shapes)
    directory.begin(environment | describe_parts(directory.config))
