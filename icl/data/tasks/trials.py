"""What every task is: static facts, arrays on the device, and pure functions that draw trials."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PyTree

from icl.config.tasks import DigitsTask, TaskConfig


class Trials(NamedTuple):
    """A batch of trials. The answer is asked for at the last step, where accuracy is measured.

    targets: the right output at each step.
    weights: of each step in the loss, which is sum(weights * cross-entropy) / sum(weights).
    """

    inputs: Float[Array, "batch step channel"]
    targets: Int[Array, "batch step"]
    weights: Float[Array, "batch step"]


class TaskKnobs(NamedTuple):
    """What a user may vary in a task without changing any shape: all traced.

    A knob that is None is off: what it would do is left out of the program.

    noise: s.d. at one step, of stimuli while they are shown or of pixels.
    cue_noise: the same of the fixation and context inputs while stimuli are shown.
    coherences: in percent, of which each trial has one at random.
    """

    noise: Float[Array, ""] | None = None
    cue_noise: Float[Array, ""] | None = None
    coherences: Float[Array, " coherence"] | None = None


Draw = Callable[[Key[Array, ""], int, TaskKnobs, PyTree], Trials]


@dataclass(frozen=True)
class Task:
    """A task ready for the device.

    arrays: what `draw` reads, an argument of compiled programs and never a constant in them.
    draw: (key, batch_size, knobs, arrays) to independent trials to train on.
    draw_test: the same for evaluation, from held-out images where trials are made of images.
    """

    num_steps: int
    num_inputs: int
    num_outputs: int
    arrays: PyTree
    draw: Draw
    draw_test: Draw


def make_task_knobs(config: TaskConfig) -> TaskKnobs:
    """The traced numbers of a task, as its settings have them."""
    if isinstance(config, DigitsTask):
        return TaskKnobs(noise=_unless_zero(config.sigma))
    # White noise of a given density: the longer a step, the less is left of it.
    per_step = config.dt**-0.5
    return TaskKnobs(
        noise=_unless_zero(config.sigma * per_step),
        cue_noise=_unless_zero(config.cue_sigma * per_step),
        coherences=jnp.asarray(config.coherences, jnp.float32),
    )


def _unless_zero(value: float) -> Float[Array, ""] | None:
    return jnp.float32(value) if value else None
