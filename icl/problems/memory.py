"""Whether a run can fit into memory, estimated from its settings before anything is loaded.

The estimates are lower bounds: what they refuse cannot run. What they let pass may still not fit.
"""

import itertools
import os
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax

from icl.config import AnyConfig, ExperimentConfig, TaskExperimentConfig
from icl.config.networks import LearnedPositions, NetworkConfig
from icl.config.sources import GlyphsSource
from icl.config.training import TrainingConfig
from icl.errors import UserError


class Estimate(NamedTuple):
    """A number of bytes, with what they are for and the fields that determine it."""

    fields: dict[str, Any]
    what: str
    needed: float


def check_memory(config: AnyConfig, num_devices: int = 1) -> None:
    """Raise UserError, with a line for each part of a run that exceeds the memory.

    num_devices: devices that share each batch.
    """
    limit = device_memory() or host_memory()
    if limit is None:
        return
    lines = []
    for fields, what, needed in least_memory(config, num_devices):
        if needed > limit:
            given = ", ".join(f"{name} = {value}" for name, value in fields.items())
            lines.append(
                f"{given}: at least {needed / 2**30:,.4g} GiB for {what}; allowed: what fits into "
                f"{limit / 2**30:,.4g} GiB, the memory of this machine"
            )
    if lines:
        raise UserError(*lines)


def least_memory(config: AnyConfig, num_devices: int = 1) -> list[Estimate]:
    """Lower bounds of what a run needs at one time; none for problems of one's own."""
    estimate = ESTIMATES.get(config.problem)
    return list(estimate(config, num_devices)) if estimate else []


def device_memory() -> int | None:
    """Bytes of memory of an accelerator; None on CPUs."""
    return (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit")


def host_memory() -> int | None:
    """Bytes of memory of this machine; None where it is not known."""
    if not hasattr(os, "sysconf"):
        return None
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _of_sequences(config: ExperimentConfig, num_devices: int) -> Iterable[Estimate]:
    model, data, batch_size = config.model, config.data, config.training.batch_size
    shape = {"model.num_layers": model.num_layers, "model.width": model.width}
    labels = {"labels": data.num_labels}
    yield Estimate(
        shape | {"model.mlp_ratio": model.mlp_ratio} | labels,
        "weights and optimizer",
        _training_bytes(_least_parameters(model, data.num_labels), config.training),
    )
    size = 1
    for length in data.source.shape or ():
        size *= length
    items = data.context_len + 1
    # Each block keeps what it reads for the gradients of its weights.
    kept = items * model.width * model.num_layers * (2 if model.compute_dtype == "bfloat16" else 4)
    yield Estimate(
        {"training.batch_size": batch_size, "data.context_len": data.context_len} | shape | labels,
        "a training batch",
        batch_size / num_devices * (4 * items * size + kept + 4 * data.num_labels),
    )
    if isinstance(source := data.source, GlyphsSource):
        numbers = source.num_classes, source.num_exemplars, source.size
        names = (f"data.source.{name}" for name in ("num_classes", "num_exemplars", "size"))
        bank = source.num_classes * source.num_exemplars * source.size**2
        yield Estimate(dict(zip(names, numbers, strict=True)), "exemplars", bank)


def _least_parameters(model: NetworkConfig, num_labels: int) -> int:
    """At least one square matrix in each mixer, its MLP, the layers of the head, and labels."""
    widths = [model.width, *model.head]
    count = model.num_layers * model.width**2 * (1 + 2 * model.mlp_ratio)
    count += sum(one * other for one, other in itertools.pairwise(widths))
    if model.readout == "free":
        count += num_labels * widths[-1]
    if model.labels == "table":
        count += num_labels * model.label_width
    if isinstance(model.positions, LearnedPositions):
        count += model.positions.max_tokens * model.width
    return count


def _training_bytes(num_parameters: int, training: TrainingConfig) -> int:
    """Weights, their gradients, and the moments of Adam or the momentum, in 32 bits."""
    return 4 * num_parameters * (4 if training.optimizer == "adam" else 3)


def _of_trials(config: TaskExperimentConfig, num_devices: int) -> Iterable[Estimate]:
    width, task, evaluation = config.model.width, config.task, config.evaluation
    is_recurrent = config.model.kind != "feed_forward"
    yield Estimate(
        {"model.width": width},
        "weights and optimizer",
        _training_bytes(width**2, config.training),
    )
    states = width * (task.num_steps if is_recurrent else 1)
    trial = 4 * (task.num_steps * task.num_inputs + states)
    for name, count, what in (
        ("training.batch_size", config.training.batch_size / num_devices, "a training batch"),
        ("evaluation.num_sequences", evaluation.num_sequences, "an evaluation"),
        ("evaluation.num_trials", evaluation.num_trials * bool(evaluation.probes), "the probes"),
    ):
        branch, field = name.split(".")
        fields = {name: getattr(getattr(config, branch), field), "model.width": width}
        yield Estimate(fields | {"steps of a trial": task.num_steps}, what, count * trial)


ESTIMATES: dict[str, Callable[[Any, int], Iterable[Estimate]]] = {
    "sequences": _of_sequences,
    "trials": _of_trials,
}
