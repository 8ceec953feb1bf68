"""The decision tasks: every trial against plain NumPy, how often each comes, and the noise."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from icl.config.tasks import ContextDependentTask, MatchToSampleTask, TwoAlternativeTask
from icl.data.tasks import make_task, make_task_knobs
from icl.data.tasks.make import TASKS
from icl.types import TaskKnobs, Trials

from ...chi_square import ALPHA, assert_same_distribution
from .numpy_trials import every_trial, schedule

CONFIGS = {
    "2AF": TwoAlternativeTask(),
    "DMS": MatchToSampleTask(),
    "CXT": ContextDependentTask(),
    "2AF, all periods": TwoAlternativeTask(
        dt=20, fixation=40, stimulus=60, delay=20, decision=40, dim_ring=5, coherences=(3.0, 70.0)
    ),
    "DMS, odd ring": MatchToSampleTask(
        dt=50, fixation=50, sample=100, delay=0, test=50, dim_ring=3, coherences=(20.0, 90.0)
    ),
    "CXT, NeuroGym 2": ContextDependentTask(
        dim_ring=3, fixation=200, delay=0, decision=200, fixation_cue="fixation_only", cue_sigma=0.0
    ),
}
NUM_TRIALS = 20_000

all_configs = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())


@cache
def program(config):
    """The task's draw, compiled once for all tests."""
    return jax.jit(make_task(config).draw, static_argnums=1)


@cache
def draw(config, noisy: bool = True, seed: int = 0) -> Trials:
    knobs = make_task_knobs(config)
    if not noisy:
        silent = {name: None if value is None else 0 * value for name, value in noises(knobs)}
        knobs = knobs._replace(**silent)
    return Trials(*map(np.asarray, program(config)(jax.random.key(seed), NUM_TRIALS, knobs, ())))


def noises(knobs: TaskKnobs) -> list:
    return [("noise", knobs.noise), ("cue_noise", knobs.cue_noise)]


@all_configs
def test_sizes(config):
    task, trials = make_task(config), draw(config)
    assert trials.inputs.shape == (NUM_TRIALS, task.num_steps, task.num_inputs)
    assert trials.targets.shape == trials.weights.shape == (NUM_TRIALS, task.num_steps)
    assert task.num_steps == len(schedule(config))
    every = {int(target) for _, targets in every_trial(config) for target in targets}
    assert every == set(range(task.num_outputs))


@all_configs
def test_trials_are_those_of_the_reference_and_all_as_frequent(config):
    trials = draw(config, noisy=False)
    cells: dict[bytes, list] = {}
    for inputs, targets in every_trial(config):
        # Trials without coherence look the same, whatever their answer.
        name = np.round(1000 * inputs).astype(int).tobytes() + targets.tobytes()
        cells.setdefault(name, [0, 0])[0] += 1
    for inputs, targets in zip(trials.inputs, trials.targets, strict=True):
        name = np.round(1000 * inputs).astype(int).tobytes() + targets.astype(int).tobytes()
        cells[name][1] += 1
    expected, observed = np.array(list(cells.values())).T
    assert_same_distribution(observed, expected / expected.sum())
    assert (trials.weights == 1).all()


@all_configs
def test_answers_are_as_frequent_as_each_other(config):
    trials, task = draw(config), make_task(config)
    answers = np.bincount(trials.targets[:, -1], minlength=task.num_outputs)
    assert_same_distribution(answers, np.arange(task.num_outputs).clip(0, 1) / answers[1:].size)
    deciding = np.array(schedule(config)) == "decision"
    assert (trials.targets[:, ~deciding] == 0).all()
    assert (trials.targets[:, deciding] == trials.targets[:, -1:]).all()


@all_configs
def test_noise_is_white_and_where_it_should_be(config):
    # The same key draws the same trials, whatever their noise.
    noise = draw(config).inputs - draw(config, noisy=False).inputs
    shown = np.isin(schedule(config), ["stimulus", "sample", "test"])
    assert (noise[:, ~shown] == 0).all()
    ring = config.dim_ring * (2 if config.kind == "context_dependent" else 1)
    is_stimulus = (np.arange(noise.shape[2]) >= 1) & (np.arange(noise.shape[2]) <= ring)
    for channels, sigma in ((is_stimulus, config.sigma), (~is_stimulus, config.cue_sigma)):
        part = noise[:, shown][:, :, channels].reshape(len(noise), -1)
        if sigma == 0:
            assert (part == 0).all()
            continue
        part = part / (sigma / np.sqrt(config.dt))
        num = part.shape[1]
        # A covariance of independent standard normal numbers: n (C - I) has variance n off the
        # diagonal, 2 n on it.
        bound = stats.norm.isf(ALPHA / 2 / num**2)
        z = (part.T @ part / len(part) - np.eye(num)) * np.sqrt(len(part) / (1 + np.eye(num)))
        assert np.abs(z).max() < bound
        assert np.abs(part.mean(0)).max() < bound / np.sqrt(len(part))
        assert stats.kstest(part[:, 0], "norm").pvalue > ALPHA


def test_noise_is_independent_of_the_trial():
    config = TwoAlternativeTask()
    noise = draw(config).inputs - draw(config, noisy=False).inputs
    answers = draw(config).targets[:, -1]
    for channel in (1, 2):
        mean = noise[:, :-1, channel].mean(1)
        assert stats.ttest_ind(mean[answers == 1], mean[answers == 2]).pvalue > ALPHA


def test_evidence_is_integrated_by_the_ideal_observer():
    """The sign of the summed difference of the inputs is right as often as the formula gives.

    At one coherence c: Phi(sqrt(steps) * (c / 100) / (sqrt(2) * sigma / sqrt(dt))).
    """
    trials = draw(TwoAlternativeTask(coherences=(6.4,)))
    evidence = (trials.inputs[:, :, 1] - trials.inputs[:, :, 2]).sum(1)
    right = (evidence < 0) == (trials.targets[:, -1] == 2)
    expected = stats.norm.cdf(np.sqrt(7) * 0.064 / (np.sqrt(2) * 0.1))
    assert stats.binomtest(int(right.sum()), len(right), expected).pvalue > ALPHA


@all_configs
def test_same_key_same_bits(config):
    knobs = make_task_knobs(config)
    again = program(config)(jax.random.key(0), NUM_TRIALS, knobs, ())
    for first, second in zip(draw(config), again, strict=True):
        np.testing.assert_array_equal(first, second)
    other = program(config)(jax.random.key(1), NUM_TRIALS, knobs, ())
    assert (draw(config).targets != other.targets).any()


@all_configs
def test_a_pack_draws_what_single_runs_draw(config):
    task, knobs = make_task(config), make_task_knobs(config)

    def with_noise(key, noise):
        return task.draw(key, NUM_TRIALS, knobs._replace(noise=noise), ())

    keys = jnp.stack([jax.random.key(0), jax.random.key(1)])
    scales = jnp.float32([config.sigma / config.dt**0.5, 0.5])
    packed = jax.jit(jax.vmap(with_noise))(keys, scales)
    np.testing.assert_array_equal(packed.targets[0], draw(config).targets)
    np.testing.assert_allclose(packed.inputs[0], draw(config).inputs, atol=1e-6)
    alone = program(config)(keys[1], NUM_TRIALS, knobs._replace(noise=scales[1]), ())
    np.testing.assert_array_equal(packed.targets[1], alone.targets)
    np.testing.assert_allclose(packed.inputs[1], alone.inputs, atol=1e-5)


@all_configs
def test_knobs_change_no_program(config):
    draw(config)
    other = jax.tree.map(lambda number: 2 * number, make_task_knobs(config))
    program(config)(jax.random.key(0), NUM_TRIALS, other, ())
    assert program(config)._cache_size() == 1


@pytest.mark.parametrize("name", ["2AF", "DMS", "CXT"])
def test_keys_are_used_once(name):
    config = CONFIGS[name]
    with jax.debug_key_reuse(True):
        task, knobs = make_task(config), make_task_knobs(config)
        jax.jit(lambda key: task.draw(key, 2, knobs, ()))(jax.random.key(0))


def test_evaluation_draws_as_training_does():
    for config in CONFIGS.values():
        task = make_task(config)
        assert task.draw is task.draw_test


def test_knobs_at_zero_are_off():
    knobs = make_task_knobs(TwoAlternativeTask(sigma=0.0))
    assert knobs.noise is None
    assert knobs.cue_noise is None
    assert make_task_knobs(ContextDependentTask(dt=25)).cue_noise == pytest.approx(0.2)
    assert set(TaskKnobs._fields) == {"noise", "cue_noise", "coherences"}


def test_every_kind_is_in_the_table():
    assert {config.kind for config in CONFIGS.values()} | {"digits"} == set(TASKS)
