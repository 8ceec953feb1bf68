"""The record of an evaluation, and the summary of a run."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from icl.config import AnyConfig
from icl.config.probes import axes_of
from icl.training.optimizer import learning_rate_at, make_rates
from icl.types import with_nan

# The metrics of a summary, and whether the best value of each is the largest.
BEST_IS_LARGEST = {"accuracy": True, "accuracy_in_context": True, "loss": False}


def make_record(
    config: AnyConfig, step: int, loss: float | None, scores: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """One evaluation: its step, the mean training loss since the last one, the learning rate of the
    last update, and the scores of each condition.

    Nothing in it depends on when or how fast it was made: a resumed run writes the same bits.

    The axes of arrays that probes made are named under `axes`, where there are any.

    loss: None where no step was made.
    """
    rates = make_rates(config.training)
    conditions = {
        name: {metric: plain(value) for metric, value in scores[name].items()}
        | {"num_sequences": config.evaluation.num_sequences}
        for name in config.evaluation.conditions
    }
    rate = float(learning_rate_at(jnp.int32(step - 1), rates)) if step else None
    record = {
        "step": step,
        "train": {"loss": loss if step else None, "learning_rate": rate},
        "conditions": conditions,
    }
    metrics = dict.fromkeys(metric for of_condition in scores.values() for metric in of_condition)
    axes = {metric: list(axes_of(metric)) for metric in metrics if axes_of(metric)}
    return record | ({"axes": axes} if axes else {})


def plain(scores: Any) -> Any:
    """Numbers of an array, or of a list of numbers, as JSON has them: None if undefined or NaN."""
    return _without_nan(np.asarray(with_nan(scores)).tolist())


def _without_nan(value: float | list[Any]) -> Any:
    if isinstance(value, list):
        return [_without_nan(part) for part in value]
    return None if math.isnan(value) else value


def summarize(records: list[dict[str, Any]]) -> dict[str, Any]:
    """The final and the best value of each metric, and the first step at which it was best."""
    conditions = {
        name: {
            metric: _final_and_best(records, name, metric, largest)
            for metric, largest in BEST_IS_LARGEST.items()
            if metric in records[-1]["conditions"][name]
        }
        for name in records[-1]["conditions"]
    }
    return {"step": records[-1]["step"], "conditions": conditions}


def _final_and_best(
    records: list[dict[str, Any]], name: str, metric: str, largest: bool
) -> dict[str, Any]:
    values = [record["conditions"][name][metric] for record in records]
    best = max(values) if largest else min(values)
    return {
        "final": values[-1],
        "final_stderr": records[-1]["conditions"][name][f"{metric}_stderr"],
        "best": best,
        "best_step": records[values.index(best)]["step"],
    }
