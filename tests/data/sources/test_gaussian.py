"""The Gaussian mixture of Reddy 2023: pure functions of their numbers, distributed as it says."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from icl.config.sources import ENDLESS_CLASSES, ENDLESS_EXEMPLARS, GaussianSource
from icl.data.sources.gaussian import make_gaussian

from ...chi_square import assert_independent, assert_same_distribution

DIM, NUM_CLASSES, SEED = 6, 3000, 3
CLASSES = np.arange(NUM_CLASSES)


@cache
def compiled(spread: float, seed: int = SEED):
    return jax.jit(jax.vmap(make_gaussian(GaussianSource(dim=DIM, spread=spread, seed=seed)).make))


def make(spread: float, classes, exemplars, seed: int = SEED) -> np.ndarray:
    """[request, dim]; padded to one length, so that there is one program for each source."""
    classes, exemplars = np.broadcast_arrays(classes, exemplars)
    padded = np.zeros((2, NUM_CLASSES), np.int32)
    padded[:, : len(classes)] = classes, exemplars
    return np.asarray(compiled(spread, seed)(*padded))[: len(classes)]


def deviations(exemplars: int) -> np.ndarray:
    """The eta of each class: `spread` 0 gives the mean alone, `spread` 1 both in equal parts."""
    return np.sqrt(2) * make(1.0, CLASSES, exemplars) - make(0.0, CLASSES, exemplars)


def assert_standard_normal(values: np.ndarray) -> None:
    cells = (stats.norm.cdf(values.ravel()) * 20).astype(int)
    assert_same_distribution(np.bincount(cells, minlength=20), np.full(20, 1 / 20))


def assert_unrelated(first: np.ndarray, second: np.ndarray) -> None:
    """The signs of two arrays are independent."""
    table = np.bincount(2 * (first.ravel() > 0) + (second.ravel() > 0), minlength=4)
    assert_independent(table.reshape(2, 2))


@pytest.mark.parametrize(
    "values",
    [
        lambda: make(0.0, CLASSES, 0),
        lambda: deviations(0),
        lambda: deviations(1),
        lambda: make(0.1, CLASSES, 5),
    ],
    ids=["means", "exemplar 0", "exemplar 1", "both"],
)
def test_means_deviations_and_exemplars_are_normal_of_variance_one_over_dim(values):
    values = np.sqrt(DIM) * values()
    assert_standard_normal(values)
    assert_unrelated(values[:, 0], values[:, 1])
    assert_unrelated(values[::2], values[1::2])


def test_deviations_are_unrelated_to_means_and_to_each_other():
    means = make(0.0, CLASSES, 0)
    assert_unrelated(means, deviations(0))
    assert_unrelated(deviations(0), deviations(1))


def test_within_a_class_the_spread_is_as_asked_for():
    spread = 0.1
    between = make(spread, CLASSES, 0) - make(spread, CLASSES, 1)
    assert_standard_normal(np.sqrt(DIM * (1 + spread**2) / 2) / spread * between)


@pytest.mark.parametrize("spread", [0.1, 4.0])
def test_the_formula_of_reddy_2023(spread):
    mean, eta = make(0.0, CLASSES, 7), deviations(7)
    expected = (mean + spread * eta) / np.sqrt(1 + spread**2)
    np.testing.assert_allclose(make(spread, CLASSES, 7), expected, atol=1e-5)


def test_without_spread_all_exemplars_are_the_mean():
    np.testing.assert_array_equal(make(0.0, CLASSES, 0), make(0.0, CLASSES, 9))


def test_the_same_request_has_the_same_answer():
    classes, exemplars = np.array([[5, 0, 7, 5], [2, 2, 0, 2]])
    made = make(0.1, classes, exemplars)
    np.testing.assert_array_equal(made[0], made[3])
    np.testing.assert_array_equal(made, make(0.1, classes[::-1], exemplars[::-1])[::-1])
    maker = make_gaussian(GaussianSource(dim=DIM, spread=0.1, seed=SEED))
    np.testing.assert_allclose(maker.make(jnp.int32(7), jnp.int32(0)), made[2], rtol=1e-5)


def test_other_numbers_and_other_seeds_give_other_answers():
    last, end = ENDLESS_CLASSES - 1, ENDLESS_EXEMPLARS - 1
    classes = np.array([0, 0, 1, 1, 2, last, last, last - 1])
    exemplars = np.array([0, 1, 0, 1, end, 0, end, end])
    made = np.concatenate([make(0.1, classes, exemplars, seed) for seed in (SEED, SEED + 1)])
    assert np.isfinite(made).all()
    distances = np.abs(made[:, None] - made).max(axis=-1)
    assert (distances[~np.eye(len(made), dtype=bool)] > 1e-4).all()


def test_no_key_is_used_twice():
    maker = make_gaussian(GaussianSource(dim=DIM))
    with jax.debug_key_reuse(True):
        jax.vmap(maker.make)(jnp.arange(3), jnp.arange(3))
        jax.jit(jax.vmap(maker.make))(jnp.arange(3), jnp.zeros(3, jnp.int32))
