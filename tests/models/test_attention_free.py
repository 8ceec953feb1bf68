"""Mixers without attention: those written in NumPy, forward and backward, in chunks and at once."""

import math
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from pydantic import TypeAdapter

from icl.config.networks import Model
from icl.models.chunks import CHUNK
from icl.models.layers import Layers
from icl.models.mixers import mamba
from icl.models.mixers.find import find_mixer
from icl.models.mixers.hyena import Filter
from icl.models.mixers.retention import log_decays
from icl.models.sites import Sites

from . import numpy_attention_free

BATCH, WIDTH = 2, 8
LONG = 22 + 2 * CHUNK  # the first chunk is what remains of whole ones
SEVERAL = 3 + CHUNK
CASES: dict[str, dict[str, Any]] = {
    "linear_attention": {"num_heads": 2},
    "delta_net": {"num_heads": 2},
    "retention": {"num_heads": 2},
    "mamba": {"state_dim": 3},
    "hyena": {"filter_dim": 5},
}
OTHERS: dict[str, dict[str, Any]] = {
    "linear_attention of one head": {"num_heads": 1},
    "delta_net of one head": {"num_heads": 1},
    "retention of one head": {"num_heads": 1},
    "mamba of its width": {"expand": 1, "conv_size": 1, "state_dim": 1},
    "mamba of a wide convolution": {"conv_size": 7},
    "hyena of one convolution": {"order": 1, "filter_dim": 1, "conv_size": 1},
    "hyena of three convolutions": {"order": 3, "conv_size": 7},
}
every_case = pytest.mark.parametrize("name", CASES)


class Case:
    """A mixer as a function of plain parameters, and such parameters: none zero, none one."""

    def __init__(self, name: str, width: int = WIDTH, dtype: Any = jnp.float32):
        kind, settings = name.split()[0], (CASES | OTHERS)[name]
        self.config: Any = TypeAdapter(Model).validate_python(
            {"kind": kind, "width": width} | settings
        )
        self.make = lambda: find_mixer(kind)(self.config, Layers(nnx.Rngs(0), dtype))
        self.graph, self.state = nnx.split(nnx.eval_shape(self.make))
        rng = np.random.default_rng(1)
        self.params = jax.tree.map(
            lambda a: np.float32(rng.normal(0, len(a) ** -0.5 if a.ndim > 1 else 0.5, a.shape)),
            nnx.to_pure_dict(self.state),
        )
        self.both = jax.jit(lambda params, x: (self(params, x), self(params, x, query_only=True)))

    def __call__(self, params: Any, x: Any, query_only: bool = False) -> jax.Array:
        state = nnx.State(self.state)
        nnx.replace_by_pure_dict(state, params)
        return nnx.merge(self.graph, state)(x, query_only, Sites())

    def in_numpy(self, params: Any, x: np.ndarray) -> np.ndarray:
        params = jax.tree.map(lambda a: np.asarray(a, np.float64), params)
        mixer = numpy_attention_free.MIXERS[self.config.kind]
        return np.array([mixer(np.float64(sequence), params, self.config) for sequence in x])


@cache
def make_case(name: str) -> Case:
    return Case(name)


def make_tokens(num_tokens: int, width: int = WIDTH, batch: int = BATCH) -> np.ndarray:
    return np.random.default_rng(2).standard_normal((batch, num_tokens, width), np.float32)


# Against NumPy.


def test_every_kind_is_tested():
    assert CASES.keys() == numpy_attention_free.MIXERS.keys()
    assert {name.split()[0] for name in OTHERS} == CASES.keys()


@every_case
@pytest.mark.parametrize("num_tokens", [1, 17, CHUNK, LONG])
def test_every_mixer_is_the_one_written_in_numpy(name, num_tokens):
    assert_same_as_in_numpy(make_case(name), make_tokens(num_tokens))


@pytest.mark.parametrize("name", OTHERS)
def test_with_other_settings_too(name):
    assert_same_as_in_numpy(make_case(name), make_tokens(5))


@every_case
@pytest.mark.parametrize("place", [0, 3, 15])
def test_one_large_token_costs_the_others_no_more_than_its_own_rounding(name, place):
    x = make_tokens(17)
    x[:, place] *= 100
    assert_same_as_in_numpy(make_case(name), x, rtol=100 * 1e-6)


def assert_same_as_in_numpy(case: Case, x: np.ndarray, rtol: float = 1e-5) -> None:
    full, query = case.both(case.params, x)
    expected = case.in_numpy(case.params, x)
    assert full.dtype == query.dtype == jnp.float32
    assert full.shape == x.shape
    assert query.shape == (len(x), 1, x.shape[2])
    assert_close(full, expected, rtol)
    assert_close(query, expected[:, -1:], rtol)


def assert_close(actual: Any, expected: Any, rtol: float) -> None:
    """Vectors agree, each to the precision of its own largest number."""
    error = np.abs(np.asarray(actual) - expected).max(axis=-1)
    assert (error <= rtol * np.abs(expected).max(axis=-1)).all()


@every_case
def test_gradients_are_those_of_numpy_by_finite_differences(name):
    """Along a random direction of each parameter and of the tokens, through both forms."""
    case, step = make_case(name), 1e-6
    params, x = jax.tree.map(np.float64, case.params), np.float64(make_tokens(SEVERAL, batch=1))
    of_full, of_query = make_weights()

    def in_numpy(inputs: Any) -> float:
        full = case.in_numpy(*inputs)
        return float((of_full * full).sum() + (of_query * full[:, -1:]).sum())

    rng = np.random.default_rng(4)
    leaves, structure = jax.tree.flatten((params, x))
    gradients = jax.tree.leaves(make_gradient(name)(case.params, np.float32(x)))
    for i, gradient in enumerate(gradients):
        direction = rng.standard_normal(leaves[i].shape)
        above, below = (
            in_numpy(
                jax.tree.unflatten(
                    structure, [*leaves[:i], leaves[i] + change * direction, *leaves[i + 1 :]]
                )
            )
            for change in (step, -step)
        )
        expected = (above - below) / (2 * step)
        error = abs((gradient * direction).sum() - expected)
        assert error < 1e-5 * np.linalg.norm(gradient) * np.linalg.norm(direction)


def make_weights() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    return tuple(rng.standard_normal((1, n, WIDTH), np.float32) for n in (SEVERAL, 1))


@cache
def make_gradient(name: str) -> Any:
    """Gradient of a weighted sum of both forms' outputs, by parameters and tokens."""
    case, (of_full, of_query) = make_case(name), make_weights()

    def weighted(params: Any, x: Any) -> jax.Array:
        full, query = case(params, x), case(params, x, query_only=True)
        return (of_full * full).sum() + (of_query * query).sum()

    return jax.jit(jax.grad(weighted, argnums=(0, 1)))


@every_case
@pytest.mark.parametrize("scale", [0.0, 1e-20, 1e4])
@pytest.mark.parametrize("equal", [False, True])
def test_gradients_are_finite_whatever_the_tokens(name, scale, equal):
    x = scale * make_tokens(SEVERAL, batch=1)
    x = np.repeat(x[:, :1], SEVERAL, axis=1) if equal else x
    case = make_case(name)
    for gradient in jax.tree.leaves(make_gradient(name)(case.params, x)):
        assert np.isfinite(gradient).all()


# What all must keep, in chunks as in one.


@every_case
def test_not_a_bit_of_an_output_depends_on_later_tokens(name):
    case, x = make_case(name), make_tokens(LONG)
    before, _ = case.both(case.params, x)
    for kept in (1, 21, 22, 23, 22 + CHUNK, 100, LONG - 1):
        changed = x.copy()
        changed[:, kept:] *= -100
        after, _ = case.both(case.params, changed)
        is_same = np.asarray(before == after).all(axis=-1)
        assert is_same[:, :kept].all()
        assert not is_same[:, kept:].any()


@every_case
def test_several_networks_at_once_are_each_by_itself(name):
    case, x = make_case(name), make_tokens(SEVERAL)
    others = jax.tree.map(lambda a: 1.1 * a, case.params)
    both = jax.tree.map(lambda *leaves: jnp.stack(leaves), case.params, others)
    together = jax.jit(jax.vmap(case, in_axes=(0, None)))(both, x)
    for out, params in zip(together, (case.params, others), strict=True):
        assert_close(out, case.in_numpy(params, x), rtol=1e-5)


@every_case
def test_in_bfloat16_roundings_do_not_add_up(name):
    """Over several chunks, at most some few of 2 ** -9 each."""
    case, x = Case(name, 64, jnp.bfloat16), make_tokens(LONG, 64)
    assert {leaf.dtype for leaf in jax.tree.leaves(case.state)} == {jnp.dtype("float32")}
    full, query = case.both(case.params, x)
    expected = case.in_numpy(case.params, x)
    for out, right in ((full, expected), (query, expected[:, -1:])):
        error = np.abs(np.float64(out) - right).max() / np.abs(right).max()
        assert 1e-4 < error < 5 * 2**-8


# Initial values, and constants of the papers.


def test_heads_forget_at_the_rates_of_the_paper_and_more_of_them_at_rates_between():
    forgotten = {n: -np.expm1(log_decays(n)) for n in (1, 8, 64)}
    np.testing.assert_allclose(forgotten[1], [2**-5], rtol=1e-12)
    np.testing.assert_allclose(forgotten[8], 2.0 ** -np.arange(5, 13), rtol=1e-12)
    assert (np.diff(forgotten[64]) < 0).all()
    np.testing.assert_allclose(forgotten[64][[0, -1]], forgotten[8][[0, -1]], rtol=1e-12)


def test_the_state_spaces_of_mamba_start_as_in_the_paper():
    params = nnx.to_pure_dict(nnx.state(Case("mamba", width=64).make()))
    np.testing.assert_allclose(np.exp(params["A_log"]), np.tile([1, 2, 3], (128, 1)), rtol=1e-6)
    assert (params["D"] == 1).all()
    steps = np.sort(np.log10(np.logaddexp(0, np.float64(params["dt_bias"]))))
    # Uniform from -3 to -1, to what so many may stray (Kolmogorov and Smirnov).
    assert np.abs((steps + 3) / 2 - (np.arange(128) + 0.5) / 128).max() < 1.6 / math.sqrt(128)
    assert -3 <= steps.min() < steps.max() <= -1


def test_a_filter_of_hyena_does_not_depend_on_the_length_of_the_sequence():
    make_filter = Filter(WIDTH, 5, Layers(nnx.Rngs(0)))
    np.testing.assert_allclose(make_filter(LONG)[:17], make_filter(17), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("query_only", [False, True])
@pytest.mark.parametrize("num_tokens", [1, 17, 150])
def test_state_spaces_are_the_same_in_parallel_and_token_by_token(num_tokens, query_only):
    """One is for CPUs, the other for accelerators: outputs, and gradients of all inputs."""
    rng = np.random.default_rng(0)
    batch, states, channels = 2, 3, 5
    A = -np.arange(1, states + 1)[:, None] * rng.uniform(0.5, 1.5, (states, channels))
    dt = rng.uniform(1e-3, 0.5, (batch, num_tokens, channels))
    B, C = rng.standard_normal((2, batch, num_tokens, states))
    x = rng.standard_normal((batch, num_tokens, channels))
    inputs = [jnp.asarray(part, jnp.float32) for part in (A, dt, B, C, x)]
    weights = rng.standard_normal((batch, 1 if query_only else num_tokens, channels))

    def run(form):
        def loss(inputs):
            y = form(*inputs, query_only=query_only)
            return jnp.sum(y * weights), y

        return jax.jit(jax.grad(loss, has_aux=True))(inputs)

    (gradient, y), (other_gradient, other_y) = run(mamba.token_by_token), run(mamba.in_parallel)
    np.testing.assert_allclose(y, other_y, rtol=1e-4, atol=1e-5)
    for one, other in zip(gradient, other_gradient, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
