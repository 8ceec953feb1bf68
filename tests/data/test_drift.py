"""Meanings: which labels a class has, and how they drift while training goes on."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from icl.data.batches import at_step
from icl.data.labels import meanings_of, own_labels, times_redrawn

from ..chi_square import assert_independent, assert_same_distribution
from . import reference
from .drawing import BURSTY, QUICKLY, draw, make_knobs, same

UNITS = 2**32
CLASSES = np.arange(64)
NUM_CLASSES = 50  # the other 14 are held out


def compiled(function):
    """[step, class], for numbers of steps made."""

    def of_steps(steps, knobs):
        return jax.vmap(lambda step: function(jnp.asarray(CLASSES), at_step(knobs, step)))(steps)

    program = jax.jit(of_steps, compiler_options=QUICKLY)
    return lambda steps, knobs: np.asarray(program(jnp.asarray(steps, jnp.int32), knobs), np.int64)


jit_times, jit_meanings = compiled(times_redrawn), compiled(meanings_of)


def drifting(rate: float, seed: int = 1337, **settings):
    return make_knobs(num_classes=NUM_CLASSES, drift_rate=rate, split_seed=seed, **settings)


# ---- without drift


@pytest.mark.parametrize("num_meanings", [None, 7])
@pytest.mark.parametrize("multiplicity", [1, 3, 64])
@pytest.mark.parametrize("num_classes", [5, 50])
def test_own_labels_of_every_class(num_classes, multiplicity, num_meanings):
    """The last training class has the first labels; held-out classes come after all."""
    setting = reference.Setting(
        num_classes,
        num_holdout_classes=14,
        label_multiplicity=multiplicity,
        num_meanings=num_meanings,
    )
    knobs = make_knobs(
        num_classes=num_classes, label_multiplicity=multiplicity, num_meanings=num_meanings
    )
    classes = [*range(num_classes), *range(50, 64)]
    expected = [reference.meaning(setting, c) for c in classes]
    assert meanings_of(jnp.array(classes), knobs).tolist() == expected
    if num_meanings is None:
        assert sorted(expected) == list(range(num_classes + 14))
    for bits, which in ((0, 0), (UNITS - 1, multiplicity - 1)):
        labels = own_labels(jnp.full(len(classes), bits, jnp.uint32), jnp.array(classes), knobs)
        assert labels.tolist() == [m * multiplicity + which for m in expected]


# ---- times


@pytest.mark.parametrize("rate", [0.0, 1e-4, 0.01, 0.3, 1.0])
def test_times_redrawn_against_integers(rate):
    """floor(step * rate + phase), with the phase found from the step where it first counts."""
    knobs = drifting(max(rate, 0.5))._replace(
        drift_rate=jnp.uint32(min(round(rate * UNITS), UNITS - 1))
    )
    units = int(knobs.drift_rate)
    steps = np.array([0, 1, 2, 9, 1000, 65_535, 123_456_789, 2**31 - 1])
    times = jit_times(steps, knobs)
    phases = _phases()
    for step, row in zip(steps.tolist(), times, strict=True):
        assert row.tolist() == [reference.times_redrawn(step, units, p) for p in phases]


def _phases() -> list[int]:
    """Phases, to one unit of 2**-32: after one step, rates from 1 - phase on redraw a class."""
    low, high = np.zeros(64, np.int64), np.full(64, UNITS - 1, np.int64)
    at_rates = jax.jit(
        lambda rates, knobs: jax.vmap(
            lambda c, rate: times_redrawn(c, knobs._replace(drift_rate=rate, step=jnp.int32(1)))
        )(jnp.asarray(CLASSES), rates)
    )
    knobs = drifting(0.5)
    while (low < high).any():
        middle = (low + high) // 2
        is_redrawn = np.asarray(at_rates(jnp.asarray(middle, jnp.uint32), knobs)) > 0
        low, high = np.where(is_redrawn, low, middle + 1), np.where(is_redrawn, middle, high)
    return [UNITS - int(rate) for rate in low]


def test_phases_are_spread_over_the_interval():
    """Over many seeds; the classes of one seed are at different times."""
    steps = np.arange(100)
    firsts = [(jit_times(steps, drifting(0.01, seed)) == 0).sum(0) for seed in range(200)]
    counts = np.bincount(np.ravel(firsts) - 1, minlength=100)
    assert_same_distribution(counts, np.full(100, 0.01))
    assert len(set(firsts[0])) > 30


@pytest.mark.parametrize("period", [2, 10, 1024])
def test_every_class_is_redrawn_once_a_period(period):
    """Exactly where the rate is a multiple of 2**-32, else but for its rounding."""
    steps = np.arange(0, 4 * period + 1)
    times = jit_times(steps, drifting(1 / period))
    assert (times[0] == 0).all()
    assert (np.diff(times, axis=0) >= 0).all()
    for c in range(64):
        changes = np.flatnonzero(np.diff(times[:, c]))
        assert len(changes) == 4
        assert (np.abs(np.diff(changes) - period) <= (period == 10)).all()


# ---- meanings


def test_meanings_change_when_redrawn_and_only_then():
    knobs = drifting(0.02)
    steps = np.arange(300)
    times, meanings = jit_times(steps, knobs), jit_meanings(steps, knobs)
    plain = [reference.meaning(reference.Setting(50, num_holdout_classes=14), c) for c in CLASSES]
    before = (times == 0) | (CLASSES >= NUM_CLASSES)  # held-out classes never drift
    np.testing.assert_array_equal(meanings[before], np.broadcast_to(plain, times.shape)[before])
    is_same_time = np.diff(times, axis=0) == 0
    assert (np.diff(meanings, axis=0)[is_same_time] == 0).all()
    changed = (np.diff(meanings, axis=0) != 0)[:, :NUM_CLASSES][~is_same_time[:, :NUM_CLASSES]]
    assert changed.mean() > 0.9
    assert 0 <= meanings[:, :NUM_CLASSES].min() <= meanings[:, :NUM_CLASSES].max() < NUM_CLASSES


@pytest.mark.parametrize("num_meanings", [None, 10])
def test_new_meanings_are_uniform_and_independent(num_meanings):
    """Across classes, times and seeds."""
    count = num_meanings or NUM_CLASSES
    steps = np.arange(2, 402)
    drawn = np.stack(
        [
            jit_meanings(steps, drifting(1.0, seed, num_meanings=num_meanings))[:, :NUM_CLASSES]
            for seed in (1, 2)
        ]
    )
    assert_same_distribution(np.bincount(drawn.ravel(), minlength=count), np.full(count, 1 / count))
    bins = [np.linspace(0, count, 11)] * 2
    for a, b in (
        (drawn[:, 1:], drawn[:, :-1]),  # times
        (drawn[:, 2:], drawn[:, :-2]),
        (drawn[:, :, 1:], drawn[:, :, :-1]),  # classes
        (drawn[:, 1:, 1:], drawn[:, :-1, :-1]),
        (drawn[0], drawn[1]),  # seeds
    ):
        assert_independent(np.histogram2d(a.ravel(), b.ravel(), bins)[0])
    for c in (0, 1, 49):
        counts = np.bincount(drawn[:, :, c].ravel() * 10 // count, minlength=10)
        assert_same_distribution(counts, np.full(10, 0.1))


@pytest.mark.parametrize("step", [0, 7, 2**31 - 1])
def test_labels_of_a_sequence_are_those_of_its_step(step):
    """And its class has one of them throughout."""
    knobs = at_step(drifting(0.1, label_multiplicity=3), jnp.int32(step))
    drawn = draw(BURSTY, knobs)
    meanings = jit_meanings([step], knobs)[0]
    np.testing.assert_array_equal(drawn.labels // 3, meanings[drawn.classes])
    assert same(drawn.labels)[same(drawn.classes)].all()
