"""The end of a run, and what is due before it."""

from typing import Any

from icl.config import TrainingConfig


def is_last(training: TrainingConfig, records: list[dict[str, Any]]) -> bool:
    """Whether a run ends with its last evaluation: all steps made, or converged.

    Convergence is judged by the training loss alone, never by a test.
    """
    if records[-1]["step"] == training.num_steps:
        return True
    losses = [record["train"]["loss"] for record in records if record["train"]["loss"] is not None]
    if not losses:
        return False
    if training.stop_below is not None and losses[-1] < training.stop_below:
        return True
    patience = training.patience
    return patience is not None and len(losses) - 1 - losses.index(min(losses)) >= patience


def is_due(step: int, every: int, num_steps: int) -> bool:
    """Whether something is due at a step: at multiples of `every`, and at the end."""
    return step % every == 0 or step == num_steps
