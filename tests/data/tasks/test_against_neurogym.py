"""The decision tasks against NeuroGym's own: what is where, and means, variances, frequencies.

Versions before 2 are as Liu et al. (2023) used them; later ones cue fixation in its own period
alone (from 2.1 on) and put no noise on cues, which settings here can do too.
"""

from importlib import metadata

import jax
import numpy as np
import pytest
from scipy import stats

from icl.config.tasks import ContextDependentTask, MatchToSampleTask, TwoAlternativeTask
from icl.data.tasks import make_task, make_task_knobs

from ...chi_square import ALPHA, assert_same_samples
from .numpy_trials import every_trial, schedule

neurogym = pytest.importorskip("neurogym", reason="NeuroGym, or PyTorch, is not installed")
IS_LATER = int(metadata.version("neurogym").split(".")[0]) >= 2

ENVIRONMENTS = {
    "two_alternative": "PerceptualDecisionMaking-v0",
    "match_to_sample": "DelayMatchSample-v0",
    "context_dependent": "ContextDecisionMaking-v0",
}
LATER = {"fixation_cue": "fixation_only"} if IS_LATER else {}
LATER_CUES = {**LATER, "cue_sigma": 0.0} if IS_LATER else {}
CONFIGS = [
    TwoAlternativeTask(**LATER),
    TwoAlternativeTask(
        **LATER, dt=50, fixation=100, stimulus=150, delay=100, decision=100, sigma=2.0, dim_ring=4
    ),
    MatchToSampleTask(),
    MatchToSampleTask(dt=20, fixation=40, sample=60, delay=40, test=20, decision=60, dim_ring=4),
    ContextDependentTask(**LATER_CUES),
    ContextDependentTask(**LATER_CUES, fixation=200, stimulus=300, delay=100, decision=200),
]
NUM_TRIALS = 4000


def theirs(config, sigma: float):
    """Inputs and targets of NeuroGym's trials, with the settings of a config but this noise."""
    timing = {name: getattr(config, name) for name in config.period_names}
    settings = {"dt": config.dt, "timing": timing, "sigma": sigma}
    if config.kind != "context_dependent":
        settings["dim_ring"] = config.dim_ring
    elif IS_LATER:
        settings["use_expl_context"] = True
    env = neurogym.make(ENVIRONMENTS[config.kind], **settings).unwrapped
    env.seed(0)
    inputs, targets = [], []
    for _ in range(NUM_TRIALS):
        env.new_trial()
        inputs.append(env.ob.copy())
        targets.append(env.gt.copy())
    assert env.action_space.n == config.num_outputs
    starts = np.cumsum([0, *config.period_steps.values()])
    assert [env.start_ind[name] for name in timing] == list(starts[:-1])
    assert [env.end_ind[name] for name in timing] == list(starts[1:])
    return np.array(inputs, np.float64), np.array(targets)


def ours(config):
    task = make_task(config)
    draw = jax.jit(task.draw, static_argnums=1)
    trials = draw(jax.random.key(0), NUM_TRIALS, make_task_knobs(config), task.arrays)
    return np.asarray(trials.inputs, np.float64), np.asarray(trials.targets)


all_configs = pytest.mark.parametrize("config", CONFIGS, ids=lambda each: f"{each.kind}-{each.dt}")


@all_configs
def test_without_noise_the_same_trials_are_there(config):
    def name(inputs, targets):
        return np.round(1000 * inputs).astype(int).tobytes() + targets.astype(int).tobytes()

    known = {name(inputs, targets) for inputs, targets in every_trial(config)}
    assert {name(*trial) for trial in zip(*theirs(config, 0.0), strict=True)} == known


@all_configs
def test_moments(config):
    (inputs, targets), (their_inputs, their_targets) = ours(config), theirs(config, config.sigma)
    assert inputs.shape == their_inputs.shape
    deciding = np.array(schedule(config)) == "decision"
    assert (their_targets[:, ~deciding] == targets[:, ~deciding]).all()
    assert (their_targets[:, deciding] == their_targets[:, -1:]).all()
    assert_same_samples(targets[:, -1], their_targets[:, -1])
    parts = kinds_of(config, inputs, targets), kinds_of(config, their_inputs, their_targets)
    for kind in np.unique(parts[0]):
        assert_same_moments(inputs[parts[0] == kind], their_inputs[parts[1] == kind])


def kinds_of(config, inputs, targets):
    """Trials by answer, context, and the side of 0.5 that the first input shown is on."""
    first = np.argmax(np.isin(schedule(config), ["stimulus", "sample"]))
    context = inputs[:, -1, -1] > 0.5 if config.kind == "context_dependent" else 0
    return 4 * targets[:, -1] + 2 * context + (inputs[:, first, 1] > 0.5)


def assert_same_moments(first, second) -> None:
    """Means, variances and covariances of all inputs at all steps."""
    first, second = (part.reshape(len(part), -1) for part in (first, second))
    is_constant = first.std(0) < 1e-6
    np.testing.assert_array_equal(is_constant, second.std(0) < 1e-6)
    np.testing.assert_allclose(first[0, is_constant], second[0, is_constant], atol=1e-6)
    first, second = first[:, ~is_constant], second[:, ~is_constant]
    middle = np.concatenate([first, second]).mean(0)
    rows, columns = np.triu_indices(first.shape[1])
    centred = [part - middle for part in (first, second)]
    products = [part[:, rows] * part[:, columns] for part in centred]
    for samples in (centred, products):
        p_values = stats.ttest_ind(*samples, equal_var=False).pvalue
        assert p_values.min() > ALPHA / p_values.size
