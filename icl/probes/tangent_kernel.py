"""The empirical tangent kernel of any function of any weights, in bounded memory.

K_ij = <d y_i / d w, d y_j / d w>, over all outputs y of a function of weights and an example, of
all examples (Jacot et al. 2018). Weights are the function's argument: for some of a network's,
close over the others. Outputs are in the order (example, flattened output of an example). Of the
weights of one matrix, `icl.probes.factored_kernel` has the same numbers far sooner.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Key, PyTree

from icl.probes.alignment import participation_ratio

BLOCK_BYTES = 2**28

Function = Callable[[Any, Any], Float[Array, "..."]]  # of weights and one example


def tangent_kernel(
    function: Function, weights: PyTree, examples: PyTree, block_bytes: int = BLOCK_BYTES
) -> Float[Array, "n n"]:
    """K, exact.

    examples: arrays whose first axis counts examples.
    block_bytes: of the gradients held at a time, which are two blocks of outputs, of one output at
        least. What the backward pass of one example holds, as many times as a block has outputs,
        comes on top, and the kernel itself. Where not all gradients fit, those of each block are
        computed anew for every block after it.
    """
    flat, unravel = ravel_pytree(weights)
    return layer_kernels(
        lambda w, example: function(unravel(w), example), flat, examples, block_bytes
    )


def layer_kernels(
    function: Function, weights: PyTree, examples: PyTree, block_bytes: int = BLOCK_BYTES
) -> PyTree[Float[Array, "n n"]]:
    """A kernel for each array of weights, K being their sum; as `tangent_kernel`.

    All of these kernels are held at a time.
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
        # Those beyond the last output are the last one's, and cut off in the end.
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
    """An unbiased estimate of K for large networks: (J P) (J P)^T / m, P random signs.

    Each of the m columns of J P is a Jacobian-vector product: no gradient is formed. It is had as
    the transpose of the backward pass, so that functions with a gradient of their own
    (`jax.custom_vjp`), which have no forward-mode one, are as good as others. The variance
    of an entry is at most (K_ii K_jj + K_ij^2) / m: an entry of the diagonal is off by at most
    sqrt(2 / m) of itself, the whole by `projection_error`. For an alignment of two kernels take
    the same key for both.

    block_bytes: of the random directions held at a time, one at least, and of what they give. What
        a forward pass of all examples holds, as many times, comes on top.
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
    """The root mean square of |estimate - K| / |K| of `projected_kernel`, or somewhat more.

    sqrt((1 + (tr K)^2 / |K|^2) / m): sqrt(2 / m) for a kernel of rank 1, and more the more
    directions it has. Exact for normal directions; random signs err less.
    """
    return jnp.sqrt((1 + participation_ratio(kernel)) / num_projections)


def _symmetric(lower: Float[Array, "n n"]) -> Float[Array, "n n"]:
    return jnp.tril(lower) + jnp.tril(lower, -1).T
