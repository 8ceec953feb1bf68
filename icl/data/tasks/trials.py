"""Tasks: static sizes, arrays on the device, and pure functions that draw trials."""

from collections.abc import Callable
from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Key, PyTree

from icl.config.tasks import OverTime
from icl.types import TaskKnobs, Trials

Draw = Callable[[Key[Array, ""], int, TaskKnobs, PyTree], Trials]


@dataclass(frozen=True)
class Task:
    """A task ready for the device.

    arrays: what `draw` reads. It is an argument of compiled programs, never a constant in them.
    draw: from (key, batch_size, knobs, arrays) to independent trials for training.
    draw_test: the same for evaluation, from held-out images where trials are made of images.
    """

    num_steps: int
    num_inputs: int
    num_outputs: int
    arrays: PyTree
    draw: Draw
    draw_test: Draw


def make_task_knobs(config: OverTime) -> TaskKnobs:
    """The traced numbers of a task, from its settings."""
    return TaskKnobs(
        **{name: jnp.asarray(value, jnp.float32) for name, value in config.knobs.items() if value}
    )
