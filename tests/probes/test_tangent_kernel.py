"""The tangent kernel against the Jacobian's, whatever the blocks; its estimate's error."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import ClosedJaxpr, Jaxpr

from icl.probes.alignment import kernel_alignment
from icl.probes.tangent_kernel import (
    layer_kernels,
    projected_kernel,
    projection_error,
    tangent_kernel,
)

RNG = np.random.default_rng(0)
INPUTS = jnp.asarray(RNG.standard_normal((5, 6)), jnp.float32)
SIZE = 6 * 7 + 7 + 7 * 3  # weights of the network below


def make_weights(seed: int = 1) -> dict[str, Any]:
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> jax.Array:
        return jnp.asarray(rng.standard_normal(shape), jnp.float32)

    return {"hidden": {"kernel": normal(6, 7), "bias": normal(7)}, "readout": normal(7, 3)}


WEIGHTS = make_weights()


def network(weights: dict[str, Any], x: jax.Array) -> jax.Array:
    """Three outputs of an input."""
    hidden = jnp.tanh(x @ weights["hidden"]["kernel"] + weights["hidden"]["bias"])
    return hidden @ weights["readout"]


def jacobian_kernel(function, weights: Any, examples: Any) -> np.ndarray:
    """Kernel by forward differentiation, with products in float64."""

    def outputs(weights: Any) -> jax.Array:
        return jax.vmap(function, (None, 0))(weights, examples).ravel()

    jacobian = jax.jit(jax.jacfwd(outputs))(weights)
    leaves = [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(jacobian)]
    rows = np.concatenate([leaf.reshape(len(leaf), -1) for leaf in leaves], axis=1)
    return rows @ rows.T


def assert_close(kernel: jax.Array, expected: np.ndarray) -> None:
    assert kernel.shape == expected.shape
    assert np.abs(np.asarray(kernel) - expected).max() < 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("num_rows", [0, 4, 1000])
def test_the_kernel_is_the_gram_matrix_of_the_jacobian_whatever_the_block(num_rows):
    """Blocks of one row at least, of some, and of all."""
    kernel = tangent_kernel(network, WEIGHTS, INPUTS, block_bytes=2 * 4 * SIZE * num_rows)
    assert_close(kernel, jacobian_kernel(network, WEIGHTS, INPUTS))


def test_examples_may_be_of_several_arrays():
    shifts = jnp.asarray(RNG.standard_normal((5, 3)), jnp.float32)

    def function(weights: Any, example: dict[str, jax.Array]) -> jax.Array:
        return (network(weights, example["x"]) + example["shift"]) ** 2

    examples = {"x": INPUTS, "shift": shifts}
    kernel = tangent_kernel(function, WEIGHTS, examples)
    assert_close(kernel, jacobian_kernel(function, WEIGHTS, examples))


def test_kernels_of_layers_are_those_of_their_weights_alone():
    kernels = layer_kernels(network, WEIGHTS, INPUTS, block_bytes=2 * 4 * SIZE * 4)
    assert jax.tree.map(jnp.shape, kernels) == jax.tree.map(lambda _: (15, 15), WEIGHTS)

    def of_readout(readout: jax.Array, x: jax.Array) -> jax.Array:
        return network({**WEIGHTS, "readout": readout}, x)

    assert_close(kernels["readout"], jacobian_kernel(of_readout, WEIGHTS["readout"], INPUTS))
    whole = sum(jax.tree.leaves(kernels), start=jnp.zeros(()))
    assert_close(whole, jacobian_kernel(network, WEIGHTS, INPUTS))
    alignments = kernel_alignment(kernels, kernels)
    assert all(float(leaf) == pytest.approx(1) for leaf in jax.tree.leaves(alignments))


def test_the_kernel_of_a_linear_map_is_that_of_its_inputs():
    kernel = tangent_kernel(lambda w, x: x @ w, jnp.zeros((6, 3)), INPUTS)
    inputs = np.asarray(INPUTS, np.float64)
    expected = np.einsum("bc,op->bocp", inputs @ inputs.T, np.eye(3))
    assert_close(kernel, expected.reshape(15, 15))


def is_program(value: Any) -> bool:
    return isinstance(value, (ClosedJaxpr, Jaxpr))


def sizes_in(jaxpr: Any) -> list[int]:
    """Sizes of all arrays that a program makes, those of its inner programs too."""
    sizes = [variable.aval.size for equation in jaxpr.eqns for variable in equation.outvars]
    for equation in jaxpr.eqns:
        for value in jax.tree.leaves(list(equation.params.values()), is_leaf=is_program):
            if is_program(value):
                sizes += sizes_in(getattr(value, "jaxpr", value))
    return sizes


@pytest.mark.parametrize("block_bytes", [2**18, 2**20])
def test_memory_is_bounded_by_the_block(block_bytes):
    """No array is larger than a block, of a Jacobian of 200 rows of 10,000 numbers."""

    def program(weights: jax.Array) -> jax.Array:
        return tangent_kernel(
            lambda w, x: jnp.tanh(x @ w)[:10], weights, jnp.ones((20, 100)), block_bytes
        )

    largest = max(sizes_in(jax.make_jaxpr(program)(jnp.zeros((100, 100))).jaxpr))
    num_rows = block_bytes // 2 // 40_000
    assert largest <= max(num_rows * 10_000, (200 + num_rows) ** 2)
    assert largest < 200 * 10_000 / 10


def test_the_projected_kernel_is_off_by_what_it_says():
    num_projections = 64
    expected = jacobian_kernel(network, WEIGHTS, INPUTS)
    stated = float(projection_error(jnp.asarray(expected, jnp.float32), num_projections))

    @jax.jit
    @jax.vmap
    def draw(key: jax.Array) -> jax.Array:
        return projected_kernel(key, network, WEIGHTS, INPUTS, num_projections)

    drawn = np.asarray(draw(jax.random.split(jax.random.key(0), 200)))
    norm = np.linalg.norm(expected)
    errors = np.linalg.norm(drawn - expected, axis=(1, 2)) / norm
    measured = np.sqrt(np.mean(errors**2))
    # Random signs err somewhat less than the normal directions that the formula is of.
    assert 0.8 * stated < measured < 1.05 * stated
    diagonal = drawn.diagonal(axis1=1, axis2=2) / expected.diagonal() - 1
    assert 0.7 * np.sqrt(2 / 64) < diagonal.std() < 1.05 * np.sqrt(2 / 64)
    # Unbiased: the mean of all is off by a fourteenth of one's error.
    assert np.linalg.norm(drawn.mean(0) - expected) / norm < 1.5 * stated / np.sqrt(200)
    print(f"error of {num_projections} projections: {measured:.3f} measured, {stated:.3f} stated")


def test_projections_do_not_depend_on_how_they_are_blocked():
    key = jax.random.key(3)
    whole, blocked = (
        projected_kernel(key, network, WEIGHTS, INPUTS, 10, size) for size in (2**28, 1500)
    )
    np.testing.assert_allclose(whole, blocked, rtol=1e-4, atol=1e-4)


def test_a_kernel_projected_with_the_same_key_is_aligned_with_itself():
    """Whereas noise of two keys would be taken for learning."""
    a, b, other = (
        projected_kernel(jax.random.key(seed), network, WEIGHTS, INPUTS, 10) for seed in (0, 0, 1)
    )
    assert float(kernel_alignment(a, b)) == pytest.approx(1)
    assert float(kernel_alignment(a, other)) < 0.95
