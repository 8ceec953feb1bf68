"""A run that is given more steps than it was first asked for.

It comes to the same bits as a run that was asked for all of them from the start. Hence its schedule
must not depend on the number of steps, and what only the end of the shorter run had is undone: its
summary, its last evaluation if the longer run has none there, and the restart of the running mean
of the loss by that evaluation.
"""

from typing import Any

import numpy as np

from icl.config.training import ENDLESS
from icl.errors import UserError
from icl.records.history import Lengthening
from icl.records.lines import read_lines
from icl.records.run_directory import METRICS, RunDirectory, step_of
from icl.runs.stopping import is_due, is_last

Record = dict[str, Any]


def lengthen(directory: RunDirectory) -> str:
    """Prepare the folder of a shorter run for a longer config; return a line for a person to read.

    Raises UserError, before anything is written, where the longer run would be another one.
    """
    config, shorter = directory.config, directory.shorter
    assert shorter is not None
    was, training = shorter.training.num_steps, config.training
    subject = f"training.num_steps = {training.num_steps}, was {was} in {directory.path}"
    if training.decay not in ENDLESS:
        raise UserError(
            f"{subject}: with training.decay = {training.decay} the rate of every step depends on "
            "it; allowed: the same, or another --out"
        )
    step = step_of(directory.path)
    records = [r for r in read_lines(directory.path / METRICS) if r["step"] <= step]
    kept = [r for r in records if is_due(r["step"], config.evaluation.every, training.num_steps)]
    if kept and is_last(training, kept):
        rules = [name for name in ("stop_below", "patience") if getattr(training, name) is not None]
        raise UserError(
            f"{subject}: ended at step {kept[-1]['step']} by training.{' or training.'.join(rules)}"
            "; allowed: the same, or another --out"
        )
    own_end = records[-1] if records and records[-1] not in kept else None
    directory.lengthen(_since(directory, step, own_end, kept))
    return f"trained to step {step} of {was}; goes on to step {training.num_steps}"


def _since(
    directory: RunDirectory, step: int, own_end: Record | None, kept: list[Record]
) -> Lengthening:
    """The sum of the losses since the last evaluation of the longer run, up to the checkpoint.

    own_end: the evaluation that only the shorter run has. It recorded the mean of these losses, and
        the checkpoint of its step was saved without them.
    """
    before = directory.history.lengthened
    if own_end and own_end["step"] == step:
        count = step - kept[-1]["step"]
        # The mean was a 64-bit quotient of the 32-bit sum, so that rounding gives the sum back.
        return Lengthening(step, float(np.float32(own_end["train"]["loss"] * count)), count)
    if before and before.step == step:  # no step was made since, and the evaluation is gone
        return before
    return Lengthening(step, 0.0, 0)
