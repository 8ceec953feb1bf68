"""Measures of laziness: against their formulas in NumPy, at their bounds, and in float32."""

import inspect
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from icl.probes.alignment import (
    kernel_alignment,
    kernel_target_alignment,
    participation_ratio,
    representation_alignment,
    representation_gram,
    representation_rank,
    sign_similarity,
    unless_zero,
    weight_change_norm,
)
from icl.types import with_nan

RNG = np.random.default_rng(0)


def draw(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


HIDDEN, OTHER, TARGETS = draw(12, 5), draw(12, 7), draw(12)
ROTATION, _ = np.linalg.qr(RNG.standard_normal((8, 8)))


def gram(x: np.ndarray) -> jax.Array:
    return representation_gram(jnp.asarray(x))


def with_eigenvalues(*values: float) -> jax.Array:
    return jnp.asarray((ROTATION[:, : len(values)] * values) @ ROTATION[:, : len(values)].T)


def numpy_alignment(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a @ a.T, b @ b.T
    return np.sum(a * b) / np.linalg.norm(a) / np.linalg.norm(b)


def test_weight_change_is_over_all_weights_given():
    then = {"a": jnp.asarray(draw(3, 4)), "b": jnp.asarray(draw(5))}
    now = {"a": then["a"] + 2, "b": then["b"] - 1}
    assert float(weight_change_norm(now, then)) == pytest.approx(math.sqrt(4 * 12 + 5))
    assert float(weight_change_norm(now["b"], then["b"])) == pytest.approx(math.sqrt(5))
    assert float(weight_change_norm(then, then)) == 0


def test_sign_similarity_is_the_share_of_equal_signs():
    now, then = jnp.array([[1.0, 0.0], [-2.0, 0.0]]), jnp.array([[3.0, 0.0], [2.0, 1.0]])
    assert float(sign_similarity(now, then)) == 0.5


def test_representation_alignment_is_the_cosine_of_the_matrices_of_trials():
    hidden, other = jnp.asarray(HIDDEN), jnp.asarray(OTHER)
    expected = numpy_alignment(HIDDEN, OTHER)
    assert float(representation_alignment(hidden, other)) == pytest.approx(expected, rel=1e-5)
    assert float(representation_alignment(hidden, 3 * hidden)) == pytest.approx(1)


def test_representation_alignment_does_not_see_rotations_of_units():
    hidden = np.concatenate([HIDDEN, np.zeros((12, 3))], axis=1)
    turned = jnp.asarray(hidden @ ROTATION, jnp.float32)
    assert float(representation_alignment(jnp.asarray(HIDDEN), turned)) == pytest.approx(1)


def test_kernel_alignment_is_by_layer_where_kernels_are():
    now, then = {"a": gram(HIDDEN), "b": gram(OTHER)}, {"a": gram(OTHER), "b": gram(OTHER)}
    found = kernel_alignment(now, then)
    assert float(found["a"]) == pytest.approx(numpy_alignment(HIDDEN, OTHER), rel=1e-5)
    assert float(found["b"]) == pytest.approx(1)
    assert float(kernel_alignment(now["a"], then["a"])) == float(found["a"])


def test_kernels_of_different_examples_are_not_aligned():
    halves = np.zeros((2, 12, 4), np.float32)
    halves[0, :6], halves[1, 6:] = 1, 1
    assert float(kernel_alignment(gram(halves[0]), gram(halves[1]))) == 0


def test_kernel_target_alignment_is_the_share_of_the_kernel_along_the_targets():
    kernel, targets = HIDDEN @ HIDDEN.T, jnp.asarray(TARGETS)
    expected = TARGETS @ kernel @ TARGETS / (TARGETS @ TARGETS * np.trace(kernel))
    found = kernel_target_alignment(gram(HIDDEN), targets)
    assert float(found) == pytest.approx(expected, rel=1e-5)
    outer = jnp.outer(targets, targets)
    assert float(kernel_target_alignment(outer, targets)) == pytest.approx(1, rel=1e-5)
    assert float(kernel_target_alignment(jnp.eye(12), targets)) == pytest.approx(1 / 12)


def test_kernel_target_alignment_of_several_dimensions():
    kernel, targets = HIDDEN @ HIDDEN.T, OTHER[:, :2]
    expected = np.trace(targets.T @ kernel @ targets) / (np.sum(targets**2) * np.trace(kernel))
    found = kernel_target_alignment(gram(HIDDEN), jnp.asarray(targets))
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_the_participation_ratio_of_a_known_spectrum():
    found = participation_ratio(with_eigenvalues(4, 2, 1, 1))
    assert float(found) == pytest.approx(64 / 22, rel=1e-4)


@pytest.mark.parametrize("rank", [1, 3, 8])
def test_the_participation_ratio_of_equal_eigenvalues_is_their_number(rank):
    found = participation_ratio(with_eigenvalues(*[2.0] * rank))
    assert float(found) == pytest.approx(rank, rel=1e-4)


MEASURES = {
    "representation": lambda scale: representation_alignment(
        scale * jnp.asarray(HIDDEN), jnp.asarray(OTHER) / scale
    ),
    "rank of states": lambda scale: representation_rank(scale * jnp.asarray(HIDDEN)),
    "weights": lambda scale: (
        weight_change_norm(scale * jnp.asarray(HIDDEN), -scale * jnp.asarray(HIDDEN)) / scale
    ),
    "kernel": lambda scale: kernel_alignment(scale * gram(HIDDEN), gram(OTHER) / scale),
    "target": lambda scale: kernel_target_alignment(
        scale * gram(HIDDEN), scale * jnp.asarray(TARGETS)
    ),
    "rank": lambda scale: participation_ratio(scale * gram(HIDDEN)),
}


@pytest.mark.parametrize("name", MEASURES)
def test_neither_large_nor_small_numbers_matter(name):
    """Squares of these would overflow float32, or vanish."""
    measure = jax.jit(MEASURES[name])
    plain = float(measure(1.0))
    assert plain > 0
    for scale in (1e30, 1e18, 1e-20, 1e-30):
        assert float(measure(scale)) == pytest.approx(plain, rel=1e-5)


@pytest.mark.parametrize("scale", [1e-30, 1e-20, 1.0, 1e18, 1e30])
def test_states_at_any_scale_are_aligned_with_themselves(scale: float):
    hidden = jnp.float32(scale) * jnp.asarray(HIDDEN)
    assert float(representation_alignment(hidden, hidden)) == pytest.approx(1, abs=3e-7)
    assert float(kernel_alignment(scale * gram(HIDDEN), gram(HIDDEN))) == pytest.approx(1, abs=3e-7)


def test_ordinary_states_are_not_scaled():
    """Their bits are those of the formula."""
    hidden, other = jnp.asarray(HIDDEN), jnp.asarray(OTHER)
    of_gram = kernel_alignment(representation_gram(hidden), representation_gram(other))
    assert float(representation_alignment(hidden, other)) == float(of_gram)
    change = jnp.linalg.norm((hidden - 3).ravel())
    assert float(weight_change_norm(hidden, jnp.float32(3))) == float(change)


def test_of_zeros_nothing_is_measured():
    zeros = jnp.zeros((4, 4))
    assert math.isnan(kernel_alignment(zeros, jnp.eye(4)))
    assert math.isnan(representation_alignment(jnp.eye(4), zeros))
    assert math.isnan(kernel_target_alignment(zeros, jnp.ones(4)))
    assert math.isnan(participation_ratio(zeros))


def test_probes_mask_what_is_undefined():
    zeros, ones = jnp.zeros((4, 4)), jnp.ones((4, 4))
    masked = jax.jit(lambda a, b: unless_zero(kernel_alignment, a, b))
    with jax.debug_nans(True):
        defined, undefined = masked(ones, ones), masked(ones, zeros)
    assert float(with_nan(defined)) == 1
    assert math.isnan(with_nan(undefined))
    # A fault is not masked.
    assert math.isnan(masked(ones, ones.at[0, 0].set(jnp.nan)).values)


ALLOWED = "allowed: a symmetric matrix"


@pytest.mark.parametrize(
    "measure",
    [
        participation_ratio,
        lambda matrix: kernel_alignment({"all": jnp.eye(2)}, {"all": matrix})["all"],
        lambda matrix: kernel_target_alignment(matrix, jnp.ones(2)),
    ],
)
def test_a_matrix_that_is_not_symmetric_is_refused(measure: Callable[[jax.Array], jax.Array]):
    with pytest.raises(ValueError, match=f"differs from its transpose by up to 2; {ALLOWED}"):
        measure(jnp.array([[1.0, 2.0], [0.0, 1.0]]))
    assert float(measure(jnp.array([[1.0, 2.0], [2.0 + 1e-5, 4.0]]))) > 0  # but for rounding


@pytest.mark.parametrize("shape", [(2, 3), (4,)])
def test_in_compiled_functions_the_shape_is_checked(shape: tuple[int, ...]):
    unchecked = inspect.unwrap(participation_ratio)  # without the check of the tests' own
    with pytest.raises(ValueError, match=ALLOWED):
        jax.jit(unchecked)(jnp.ones(shape))
