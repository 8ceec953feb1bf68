"""The kernel of a matrix from its errors and activities is that of its Jacobian."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from icl.probes.factored_kernel import (
    Factors,
    factored_kernel,
    perturbed_factors,
    recurrent_factors,
)

UNITS, SEQUENCES, OUTPUTS = 11, 4, 3
RNG = np.random.default_rng(0)


def normal(*shape: int, scale: float = 1.0) -> jax.Array:
    return jnp.asarray(scale * RNG.standard_normal(shape), jnp.float32)


INPUT, READOUT = normal(2, UNITS), normal(UNITS, OUTPUTS)
RECURRENT = normal(UNITS, UNITS, scale=1.2 / np.sqrt(UNITS))
INPUTS = normal(SEQUENCES, 7, 2)


def relu_step(leak, weights, h, x, added):
    after = (1 - leak) * h + leak * jax.nn.relu(x @ INPUT + h @ weights + added)
    return after, h


def two_state_step(weights, state, x, added):
    """What enters the product is not the state alone, and the state is of several arrays."""
    h, slow = state
    activity = jnp.tanh(h)
    after = jax.nn.relu(x @ INPUT + activity @ weights + added + 0.1 * slow)
    return (after, 0.5 * slow + after), activity


def read_two(state):
    return state[0] @ READOUT + state[1][:OUTPUTS]


def read_one(h):
    return h @ READOUT


ZERO = jnp.zeros(UNITS)
NETWORKS: dict[str, tuple[Callable, Callable, Any]] = {
    "relu": (partial(relu_step, 1.0), read_one, ZERO),
    "leaky relu": (partial(relu_step, 0.7), read_one, ZERO),
    "not from zeros": (partial(relu_step, 1.0), read_one, ZERO + 0.3),
    "two states": (two_state_step, read_two, (ZERO, ZERO)),
}


def run(network, weights, added, inputs):
    """Outputs of every step of one sequence, and what entered the products."""
    step, read, state = network

    def body(state, x_and_added):
        state, activity = step(weights, state, *x_and_added)
        return state, (read(state), activity)

    return jax.lax.scan(body, state, (inputs, added))[1]


def outputs(network, weights, inputs):
    added = jnp.zeros((inputs.shape[1], UNITS))
    return jax.vmap(lambda own: run(network, weights, added, own)[0])(inputs)


def jacobian_kernel(function, weights) -> np.ndarray:
    jacobian = np.asarray(jax.jit(jax.jacfwd(function))(weights), np.float64)
    rows = jacobian.reshape(-1, weights.size)
    return rows @ rows.T


def assert_close(kernel: jax.Array, expected: np.ndarray) -> None:
    assert kernel.shape == expected.shape
    assert np.abs(np.asarray(kernel) - expected).max() < 1e-5 * np.abs(expected).max()


@partial(jax.jit, static_argnums=(0, 2, 3))
def perturbed(function, sequences, num_products, width) -> tuple[Factors, jax.Array]:
    def make(sequences):
        return perturbed_factors(function, sequences, num_products, width)

    return make(sequences), factored_kernel(make, sequences)


@partial(jax.jit, static_argnums=(0, 2), static_argnames="block_bytes")
def recurrent(network, inputs, num_skipped=0, block_bytes=2**28) -> tuple[Factors, jax.Array]:
    step, read, state = NETWORKS[network]

    def make(inputs):
        return recurrent_factors(partial(step, RECURRENT), read, state, inputs, UNITS, num_skipped)

    return make(inputs), factored_kernel(make, inputs, block_bytes)


@pytest.mark.parametrize(("network", "num_rows"), [("relu", 1), ("two states", 2), ("relu", 3)])
def test_in_blocks_it_is_the_same(network, num_rows):
    """Blocks have as many sequences as fit; with three the last block is not full."""
    per_sequence = 4 * 7 * OUTPUTS * 7 * UNITS
    for steps in (INPUTS, INPUTS[:, :2]):
        whole = recurrent(network, steps)[1]
        size = per_sequence * steps.shape[1] ** 2 // 49
        assert_close(
            recurrent(network, steps, block_bytes=6 * size * num_rows)[1], np.asarray(whole)
        )


def test_memory_is_bounded_by_the_block():
    """Beside the kernel itself."""
    inputs, width = normal(16, 12, 2), UNITS
    step, read, state = NETWORKS["relu"]

    def make(inputs):
        return recurrent_factors(partial(step, RECURRENT), read, state, inputs, width)

    def memory(block_bytes: int) -> int:
        function = jax.jit(lambda inputs: factored_kernel(make, inputs, block_bytes))
        return function.lower(inputs).compile().memory_analysis().temp_size_in_bytes

    kernel_bytes = 4 * (16 * 12 * OUTPUTS) ** 2
    one = 4 * 12 * OUTPUTS * 12 * width
    assert memory(2**28) > 16 * one
    assert memory(6 * one) < 2 * kernel_bytes + 6 * one + 2**17


@pytest.mark.parametrize("network", NETWORKS)
def test_of_a_recurrent_matrix_and_the_outputs_of_each_step(network):
    factors, kernel = recurrent(network, INPUTS)
    assert factors.errors.shape == (SEQUENCES, 7, OUTPUTS, 7, UNITS)
    assert_close(
        kernel, jacobian_kernel(lambda w: outputs(NETWORKS[network], w, INPUTS), RECURRENT)
    )


@pytest.mark.parametrize("num_steps", [2, 5])
def test_products_of_zeros_may_be_skipped(num_steps):
    """Fewer steps than groups of steps, and more."""
    inputs = INPUTS[:, :num_steps]
    factors, kernel = recurrent("leaky relu", inputs, 1)
    assert factors.errors.shape == (SEQUENCES, num_steps, OUTPUTS, num_steps - 1, UNITS)
    network = NETWORKS["leaky relu"]
    assert_close(kernel, jacobian_kernel(lambda w: outputs(network, w, inputs), RECURRENT))


def test_outputs_on_which_the_matrix_has_no_effect_have_no_kernel():
    """Outputs of the first step, with a state of zeros before it, have none."""
    kernel = np.asarray(recurrent("relu", INPUTS, 1)[1])
    kernel = kernel.reshape(SEQUENCES, 7, OUTPUTS, SEQUENCES, 7, OUTPUTS)
    assert (kernel[:, 0] == 0).all()
    assert (kernel[:, :, :, :, 0] == 0).all()
    assert (np.abs(kernel[:, 1:, :, :, 1:]).max((0, 1, 3, 4)) > 0).all()


def test_of_the_outputs_of_the_last_step():
    network = NETWORKS["leaky relu"]

    def function(added, inputs):
        all_outputs, activities = run(network, RECURRENT, added, inputs)
        return all_outputs[-1], activities

    kernel = perturbed(function, INPUTS, 7, UNITS)[1]
    expected = jacobian_kernel(lambda w: outputs(network, w, INPUTS)[:, -1], RECURRENT)
    assert_close(kernel, expected)


def test_both_ways_to_the_factors_give_the_same():
    network = NETWORKS["two states"]
    pulled, other = perturbed(partial(run, network, RECURRENT), INPUTS, 7, UNITS)
    followed, kernel = recurrent("two states", INPUTS)
    np.testing.assert_allclose(pulled.activities, followed.activities, rtol=1e-5, atol=1e-6)
    errors = pulled.errors.reshape(followed.errors.shape)
    np.testing.assert_allclose(errors, followed.errors, rtol=1e-4, atol=1e-5)
    assert_close(other, np.asarray(kernel))


def test_of_a_dense_matrix_in_a_network_that_looks_both_ways():
    """Every token passes it once, and every output depends on all tokens."""
    tokens, dense, mix, readout = normal(SEQUENCES, 5, 7), normal(7, 9), normal(5, 5), normal(9, 3)

    def network(weights, added, tokens):
        hidden = jnp.tanh(tokens @ weights + added)
        return jnp.tanh(mix @ hidden) @ readout, tokens

    def all_outputs(weights):
        return jax.vmap(lambda tokens: network(weights, jnp.zeros((5, 9)), tokens)[0])(tokens)

    kernel = perturbed(partial(network, dense), tokens, 5, 9)[1]
    assert_close(kernel, jacobian_kernel(all_outputs, dense))


def test_of_a_layer_that_each_input_passes_once():
    inputs, first, second = normal(6, 5), normal(5, 8), normal(8, 2)

    def function(added, x):
        activity = jnp.tanh(x @ first)
        return jax.nn.relu(activity @ second + added[0]) ** 2, activity[None]

    def all_outputs(weights):
        return jax.nn.relu(jnp.tanh(inputs @ first) @ weights) ** 2

    kernel = perturbed(function, inputs, 1, 2)[1]
    assert_close(kernel, jacobian_kernel(all_outputs, second))
