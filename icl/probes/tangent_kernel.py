"""Empirical tangent kernel of any function of any weights, in bounded memory.

K_ij = <d y_i / d w, d y_j / d w> over all outputs y of a function of weights and an example, for
all examples (Jacot et al. 2018). Weights are the function's argument: for a part of a network's
weights, close over the others. Outputs are in the order (example, flattened output of an example).
For the weights of one matrix, `icl.probes.factored_kernel` computes the same numbers much faster.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Key, PyTree

from icl.probes.alignment import participation_ratio

BLOCK_BYTES = 2**28

Function = Callable[[Any, Any], Float[Array, "..."]]  # (weights, one example) -> outputs


def tangent_kernel(
    function: Function, weights: PyTree, examples: PyTree, block_bytes: int = BLOCK_BYTES
) -> Float[Array, "n n"]:
    """Exact K.

    examples: arrays whose first axis counts examples.
    block_bytes: bytes of gradients held at a time, in two blocks of at least one output. On top
        come the kernel and, for each output of a block, the memory of a backward pass of one
        example. If not all gradients fit, those of each block are recomputed for every later
        block.
    """
    flat, unravel = ravel_pytree(weights)
    return layer_kernels(
        lambda w, example: function(unravel(w), example), flat, examples, block_bytes
    )


def layer_kernels(
    function: Function, weights: PyTree, examples: PyTree, block_bytes: int = BLOCK_BYTES
) -> PyTree[Float[Array, "n n"]]:
    """A kernel for each array of weights; their sum is K. Arguments as `tangent_kernel`.

    All of these kernels are held at once.
    """
    examples = jax.tree.map(jnp.asarray, examples)
    first = jax.tree.map(lambda array: array[0], examples)
    num_outputs = jax.eval_shape(function, weights, first).size
    size = len(jax.tree.leaves(examples)[0]) * num_outputs
    row_bytes = sum(leaf.nbytes for leaf in jax.tree.leaves(weights))
    num_rows = min(max(block_bytes // (2 * row_bytes), 1), size)
    num_blocks = -(-size // num_rows)

    def gradient(index: Array) -> PyTree:
        example = jax.tree.map(lambda array: array[index // num_outputs], examples)
        return jax.grad(lambda w: function(w, example).ravel()[index % num_outputs])(weights)

    def gradients(block: Array) -> PyTree:
        # The last output pads the last block; its copies are cut off below.
        return jax.vmap(gradient)(jnp.minimum(block * num_rows + jnp.arange(num_rows), size - 1))

    def fill(block: Array, kernels: PyTree) -> PyTree:
        own = gradients(block)

        def put(other: Array, rows: PyTree, kernels: PyTree) -> PyTree:
            def tile(kernel: Array, a: Array, b: Array) -> Array:
                product = a.reshape(num_rows, -1) @ b.reshape(num_rows, -1).T
                return jax.lax.dynamic_update_slice(
                    kernel, product, (block * num_rows, other * num_rows)
                )

            return jax.tree.map(tile, kernels, own, rows)

        return jax.lax.fori_loop(
            0, block, lambda i, kernels: put(i, gradients(i), kernels), put(block, own, kernels)
        )

    with jax.default_matmul_precision("highest"):
        padded = num_blocks * num_rows
        zeros = jax.tree.map(lambda leaf: jnp.zeros((padded, padded), leaf.dtype), weights)
        lower = jax.lax.fori_loop(0, num_blocks, fill, zeros)
    return jax.tree.map(lambda kernel: _symmetric(kernel[:size, :size]), lower)


def projected_kernel(
    key: Key[Array, ""],
    function: Function,
    weights: PyTree,
    examples: PyTree,
    num_projections: int,
    block_bytes: int = BLOCK_BYTES,
) -> Float[Array, "n n"]:
    """Unbiased estimate of K for large networks: (J P) (J P)^T / m, P random signs.

    Each of the m columns of J P is a Jacobian-vector product: no gradient is formed. It is
    computed as the transpose of the backward pass, which also works for functions with a custom
    gradient (`jax.custom_vjp`), which have no forward mode. The variance of an entry is at most
    (K_ii K_jj + K_ij^2) / m: a diagonal entry has a relative error of at most sqrt(2 / m), the
    whole kernel that of `projection_error`. Use the same key for two kernels to be aligned.

    block_bytes: bytes of random directions held at a time, at least one, and of their products.
        For each, the memory of a forward pass of all examples comes on top.
    """
    flat, unravel = ravel_pytree(weights)

    def outputs_of(flat: Array) -> Array:
        return jax.vmap(function, in_axes=(None, 0))(unravel(flat), examples).ravel()

    with jax.default_matmul_precision("highest"):
        outputs, pull = jax.vjp(outputs_of, flat)
        _, push = jax.vjp(pull, jnp.zeros_like(outputs))
        num_columns = min(max(block_bytes // (flat.nbytes + outputs.nbytes), 1), num_projections)

        def column(index: Array) -> Array:
            signs = jax.random.rademacher(jax.random.fold_in(key, index), flat.shape, flat.dtype)
            return jnp.where(index < num_projections, push((signs,))[0], 0)

        def add(block: Array, kernel: Array) -> Array:
            columns = jax.vmap(column)(block * num_columns + jnp.arange(num_columns))
            return kernel + columns.T @ columns

        zeros = jnp.zeros((len(outputs), len(outputs)), outputs.dtype)
        total = jax.lax.fori_loop(0, -(-num_projections // num_columns), add, zeros)
    return total / num_projections


def projection_error(kernel: Float[Array, "n n"], num_projections: int) -> Float[Array, ""]:
    """Root mean square of |estimate - K| / |K| of `projected_kernel`, or slightly more.

    sqrt((1 + (tr K)^2 / |K|^2) / m): sqrt(2 / m) for a kernel of rank 1, and more for higher
    effective ranks. Exact for normal directions; random signs have a smaller error.
    """
    return jnp.sqrt((1 + participation_ratio(kernel)) / num_projections)


def _symmetric(lower: Float[Array, "n n"]) -> Float[Array, "n n"]:
    return jnp.tril(lower) + jnp.tril(lower, -1).T
