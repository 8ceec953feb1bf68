"""Exact tangent kernel of one matrix, much faster than from its gradients.

If inputs are multiplied by a matrix W, the gradient of output i with respect to W is a sum over
the products of activity times error: sum_t h_t delta_it^T. So K_ij = sum over t and u of
(h_t . h_u) (delta_it . delta_ju): no gradient the size of W is formed. Activities enter the
products; errors are gradients with respect to numbers added to the products.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

# Groups of steps: more save little work and take longer to compile.
MAX_GROUPS = 4
BLOCK_BYTES = 2**28


class Factors(NamedTuple):
    """Factors of a matrix's kernel. The matrix has `fan_in` rows and `width` columns.

    errors: gradients of each output with respect to each product of its sequence. Outputs of the
        last step may depend on all products, those of each earlier step on one product fewer. If
        this does not hold, all outputs belong to one step.
    activities: inputs of the products.
    """

    errors: Float[Array, "sequence step output product width"]
    activities: Float[Array, "sequence product fan_in"]


def perturbed_factors(
    function: Callable[[Array, Any], tuple[Array, Array]],
    sequences: PyTree,
    num_products: int,
    width: int,
) -> Factors:
    """Factors of a matrix in any network, for any outputs.

    function: (numbers [product, width] added to the products of the matrix, one sequence) -> the
        sequence's outputs, of any shape, and the activities [product, fan_in].
    sequences: arrays whose first axis counts sequences.

    Holds sequences x outputs x products x width numbers.
    """

    def factors(sequence: Any) -> tuple[Array, Array]:
        zeros = jnp.zeros((num_products, width))
        outputs, pull, activities = jax.vjp(
            lambda added: function(added, sequence), zeros, has_aux=True
        )
        ones = jnp.eye(outputs.size, dtype=outputs.dtype).reshape(-1, *outputs.shape)
        return jax.vmap(pull)(ones)[0][None], activities

    with jax.default_matmul_precision("highest"):
        return Factors(*jax.vmap(factors)(sequences))


def recurrent_factors(
    step: Callable[[Any, Any, Array], tuple[Any, Array]],
    read: Callable[[Any], Float[Array, " output"]],
    state: PyTree,
    inputs: PyTree,
    width: int,
    num_skipped: int = 0,
) -> Factors:
    """Factors of a matrix used once a step in a recurrent network, for the outputs of each step.

    The backward pass of an output starts at its own step, not at the last, which halves the work.
    The program grows with the number of steps.

    step: (state, input, numbers [width] added to the product) -> the next state, and the activity
        [fan_in] that entered the product; for one sequence.
    read: a state -> the outputs after its step.
    state: initial state.
    inputs: arrays [sequence, step, ...].
    num_skipped: number of initial steps with zero activity, such as the first step of a network
        that starts from zeros. They add nothing, and their products are left out.
    """

    def factors(inputs: Any) -> tuple[Array, Array]:
        zero = jnp.zeros(width)

        def forward(state: PyTree, x: Any) -> tuple[PyTree, tuple[PyTree, Array]]:
            after, activity = step(state, x, zero)
            return after, (state, activity)

        states, activities = jax.lax.scan(forward, state, inputs)[1]
        num_steps = len(activities)
        rows: Any = None  # gradients of outputs, from step t on, with respect to the state
        errors: list[Array] = []
        for t in reversed(range(num_skipped, num_steps)):
            before, x = jax.tree.map(lambda array, t=t: array[t], (states, inputs))
            after, pull = jax.vjp(lambda h, added, x=x: step(h, x, added)[0], before, zero)
            outputs, pull_outputs = jax.vjp(read, after)
            own = jax.vmap(pull_outputs)(jnp.eye(len(outputs), dtype=outputs.dtype))[0]
            rows = own if rows is None else jax.tree.map(_joined, own, rows)
            rows, error = jax.vmap(pull)(rows)
            errors.append(jnp.pad(error, ((t * len(outputs), 0), (0, 0))))
        by_product = jnp.stack(errors[::-1], axis=1)
        return by_product.reshape(num_steps, -1, *by_product.shape[1:]), activities[num_skipped:]

    with jax.default_matmul_precision("highest"):
        return Factors(*jax.vmap(factors)(inputs))


def factored_kernel(
    make_factors: Callable[[PyTree], Factors], sequences: PyTree, block_bytes: int = BLOCK_BYTES
) -> Float[Array, "n n"]:
    """Exact K over outputs in the order (sequence, step, output), the last the fastest.

    make_factors: sequences -> their factors.
    sequences: arrays whose first axis counts sequences.
    block_bytes: bytes of errors and their copies held at a time, of at least two sequences; the
        kernel comes on top. If not all errors fit, those of each block of sequences are
        recomputed for every other block.
    """
    num_sequences = len(jax.tree.leaves(sequences)[0])
    one = jax.eval_shape(make_factors, jax.tree.map(lambda array: array[:1], sequences)).errors
    # Two blocks, each with the copies made to compare them.
    num_rows = max(block_bytes // (6 * one.size * one.dtype.itemsize), 1)
    if num_rows >= num_sequences:
        factors = make_factors(sequences)
        return _completed(_compared(factors, factors), one.shape[1], one.shape[2])
    num_blocks = -(-num_sequences // num_rows)
    # The last sequence pads the last block; its copies are cut off below.
    order = np.minimum(np.arange(num_blocks * num_rows), num_sequences - 1)
    blocks = jax.tree.map(
        lambda array: array[order].reshape(num_blocks, num_rows, *array.shape[1:]), sequences
    )

    def rows(block: PyTree) -> Array:
        own = make_factors(block)
        return jax.lax.map(lambda other: _compared(own, make_factors(other)), blocks)

    parts = jax.lax.map(rows, blocks).transpose(0, 2, 3, 1, 4, 5)
    per_sequence = parts.shape[2]
    kernel = parts.reshape(num_blocks * num_rows, per_sequence, -1, per_sequence)
    kernel = kernel[:num_sequences, :, :num_sequences]
    return _completed(kernel, one.shape[1], one.shape[2])


def _compared(rows: Factors, columns: Factors) -> Float[Array, "sequence own other other_own"]:
    """K between outputs of `rows` and outputs of `columns` at the same and earlier steps.

    For each sequence of `columns` in turn, products of activities weight the errors of `rows`, and
    one matrix product with the sequence's own errors remains. Outputs of a group of steps are
    compared only with the same and earlier groups, on the products that they depend on; the other
    half is the transpose (`_completed`). Holds up to three times the errors.
    """
    errors, activities = rows
    num_sequences, num_steps, num_outputs, num_products, width = errors.shape
    num_columns = len(columns.activities)
    ends = _group_ends(num_steps)
    others, owns = [], []
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        reach = max(num_products - (num_steps - end), 0)
        num_others = num_sequences * (end - start) * num_outputs
        own_shape = (num_columns, end * num_outputs, reach * width)
        others.append(errors[:, start:end, :, :reach].reshape(num_others, reach, width))
        owns.append(columns.errors[:, :end, :, :reach].reshape(own_shape))

    def of_one(one: tuple[Array, list[Array]]) -> Float[Array, "sequence output own"]:
        """K between all outputs and those of one sequence."""
        grams, owns = one  # [sequence, own product, product], [own, product * width]
        blocks = []
        for group, own in zip(others, owns, strict=True):
            reach, repeats = group.shape[1], len(group) // num_sequences
            weighted = jnp.repeat(grams[:, :reach, :reach], repeats, axis=0) @ group
            block = weighted.reshape(len(group), reach * width) @ own.T
            block = block.reshape(num_sequences, repeats, len(own))
            missing = num_steps * num_outputs - len(own)
            blocks.append(jnp.pad(block, ((0, 0), (0, 0), (0, missing))))
        return jnp.concatenate(blocks, axis=1)

    with jax.default_matmul_precision("highest"):
        grams = jnp.einsum("bti,cui->bctu", columns.activities, activities)
        return jax.lax.map(of_one, (grams, owns)).transpose(1, 2, 0, 3)


def _completed(
    kernel: Float[Array, "sequence own sequence own"], num_steps: int, num_outputs: int
) -> Float[Array, "n n"]:
    """Fill in the entries of later steps from the transpose of the kernel."""
    size = kernel.shape[0] * kernel.shape[1]
    ends = _group_ends(num_steps)
    group = np.repeat(np.searchsorted(ends, np.arange(num_steps), side="right"), num_outputs)
    is_later = np.greater.outer(group, group)[:, None]
    later = jnp.where(is_later, kernel, 0).reshape(size, size)
    return kernel.reshape(size, size) + later.T


def _group_ends(num_steps: int) -> list[int]:
    """Ends of groups of consecutive steps, of nearly equal sizes."""
    count = min(num_steps, MAX_GROUPS)
    return [num_steps * (group + 1) // count for group in range(count)]


def _joined(first: Array, second: Array) -> Array:
    return jnp.concatenate([first, second])
