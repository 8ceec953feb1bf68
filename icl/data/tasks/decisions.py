"""The decision tasks of NeuroGym (Molano-Mazon et al. 2022), generated on the device.

Input 0 is the cue to fixate; stimuli are rings of inputs; context cues come last. While a
direction theta of coherence c is shown, the input that prefers phi has the mean
0.5 + cos(phi - theta) * c / 200. Output 0 means to fixate and is right at every step before the
decision; the answers are 1, 2, ... All steps have the same weight.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from icl.config.tasks import (
    ContextDependentTask,
    DecisionTask,
    MatchToSampleTask,
    TwoAlternativeTask,
)
from icl.data.tasks.trials import Task
from icl.types import TaskKnobs, Trials


def make_two_alternative(config: TwoAlternativeTask) -> Task:
    """Make the task to report a direction.

    Inputs: fixation, ring. Answers: 1 + the number of the direction.
    """
    return _make(config, _draw_two_alternative)


def make_match_to_sample(config: MatchToSampleTask) -> Task:
    """Make the task to compare two directions.

    Inputs: fixation, ring. Answers: 1 for a match, 2 for a test of the opposite direction.
    """
    return _make(config, _draw_match_to_sample)


def make_context_dependent(config: ContextDependentTask) -> Task:
    """Make the task to report the direction of the modality that a cue selects.

    Inputs: fixation, ring of each modality, context cues. Answers: as in two_alternative.

    Directions and coherences of the two modalities are independent; the cue of the relevant
    one is 1 throughout.
    """
    return _make(config, _draw_context_dependent)


def _make(config: DecisionTask, draw_with: Callable[..., Trials]) -> Task:
    draw = partial(draw_with, config=config)
    return Task(config.num_steps, config.num_inputs, config.num_outputs, (), draw, draw)


def _draw_two_alternative(
    key: Key[Array, ""],
    batch_size: int,
    knobs: TaskKnobs,
    arrays: tuple[()],
    *,
    config: TwoAlternativeTask,
) -> Trials:
    choice_key, coherence_key, noise_key = jax.random.split(key, 3)
    choices = jax.random.randint(choice_key, (batch_size,), 0, config.dim_ring)
    coherences = _draw_coherences(coherence_key, (batch_size,), knobs)
    rings = _ring(_angles(config)[choices], coherences, config)
    stimuli = _show(rings, _during(config, "stimulus"))
    return _trials(config, noise_key, knobs, stimuli, 1 + choices)


def _draw_match_to_sample(
    key: Key[Array, ""],
    batch_size: int,
    knobs: TaskKnobs,
    arrays: tuple[()],
    *,
    config: MatchToSampleTask,
) -> Trials:
    sample_key, answer_key, coherence_key, noise_key = jax.random.split(key, 4)
    samples = _angles(config)[jax.random.randint(sample_key, (batch_size,), 0, config.dim_ring)]
    answers = jax.random.randint(answer_key, (batch_size,), 1, 3)
    tests = jnp.where(answers == 1, samples, samples + jnp.pi)
    coherences = _draw_coherences(coherence_key, (batch_size,), knobs)
    stimuli = _show(_ring(samples, coherences, config), _during(config, "sample"))
    stimuli += _show(_ring(tests, coherences, config), _during(config, "test"))
    return _trials(config, noise_key, knobs, stimuli, answers)


def _draw_context_dependent(
    key: Key[Array, ""],
    batch_size: int,
    knobs: TaskKnobs,
    arrays: tuple[()],
    *,
    config: ContextDependentTask,
) -> Trials:
    choice_key, context_key, coherence_key, noise_key = jax.random.split(key, 4)
    choices = jax.random.randint(choice_key, (batch_size, 2), 0, config.dim_ring)
    contexts = jax.random.randint(context_key, (batch_size,), 0, 2)
    coherences = _draw_coherences(coherence_key, (batch_size, 2), knobs)
    rings = _ring(_angles(config)[choices], coherences, config).reshape(batch_size, -1)
    stimuli = _show(rings, _during(config, "stimulus"))
    answers = 1 + jnp.take_along_axis(choices, contexts[:, None], 1)[:, 0]
    return _trials(config, noise_key, knobs, stimuli, answers, jax.nn.one_hot(contexts, 2))


def _trials(
    config: DecisionTask,
    key: Key[Array, ""],
    knobs: TaskKnobs,
    stimuli: Float[Array, "batch step stimulus"],
    answers: Int[Array, " batch"],
    contexts: Float[Array, "batch context"] | None = None,
) -> Trials:
    """Join stimuli and cues, add noise, and give the targets and weights of each step."""
    shape = stimuli.shape[:2]
    deciding = _during(config, "decision")
    until_decision = config.fixation_cue == "until_decision"
    fixating = ~deciding if until_decision else _during(config, "fixation")
    cues = jnp.broadcast_to(fixating.astype(np.float32)[:, None], (*shape, 1))
    parts = [cues, stimuli]
    is_stimulus = [False] + [True] * stimuli.shape[2]
    if contexts is not None:
        parts.append(jnp.broadcast_to(contexts[:, None], (*shape, contexts.shape[1])))
        is_stimulus += [False] * contexts.shape[1]
    inputs = jnp.concatenate(parts, 2)
    if knobs.noise is not None or knobs.cue_noise is not None:
        noise, cue_noise = (0.0 if s is None else s for s in (knobs.noise, knobs.cue_noise))
        scales = jnp.where(np.array(is_stimulus), noise, cue_noise)
        shown = _during(config, "stimulus", "sample", "test")
        inputs += shown[:, None] * scales * jax.random.normal(key, inputs.shape)
    return Trials(inputs, jnp.where(deciding, answers[:, None], 0), jnp.ones(shape))


def _during(config: DecisionTask, *periods: str) -> Bool[np.ndarray, " step"]:
    """Whether each step is in one of these periods."""
    steps = config.period_steps
    return np.repeat([name in periods for name in steps], list(steps.values()))


def _angles(config: DecisionTask) -> Float[Array, " direction"]:
    return jnp.asarray(2 * np.pi * np.arange(config.dim_ring) / config.dim_ring, jnp.float32)


def _ring(
    angles: Float[Array, "*trial"], coherences: Float[Array, "*trial"], config: DecisionTask
) -> Float[Array, "*trial direction"]:
    """Mean inputs of a ring while it is shown a direction."""
    tuning = jnp.cos(_angles(config) - angles[..., None])
    return 0.5 + tuning * coherences[..., None] / 200


def _show(
    rings: Float[Array, "batch stimulus"], shown: Bool[np.ndarray, " step"]
) -> Float[Array, "batch step stimulus"]:
    return jnp.asarray(shown)[:, None] * rings[:, None]


def _draw_coherences(
    key: Key[Array, ""], shape: tuple[int, ...], knobs: TaskKnobs
) -> Float[Array, "*trial"]:
    """Coherences in percent, drawn uniformly from those of the knobs."""
    assert knobs.coherences is not None
    indices = jax.random.randint(key, shape, 0, len(knobs.coherences))
    return knobs.coherences[indices]
