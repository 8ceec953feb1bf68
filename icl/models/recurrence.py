"""Recurrence: the same cell at every step, and a state carried from one to the next."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from icl.models.layers import Layers

State = tuple[Array, ...]  # the first is the hidden state
# (total, candidate, state) -> next state. total: inputs plus the product of the recurrent matrix
# with the hidden state, [batch, columns]. candidate: inputs kept out of this sum, or None.
RecurrentCell = Callable[[Array, Any, State], State]


def make_layer(
    layers: Layers, width: int, num_parts: int, kernel_init: nnx.Initializer, bias: bool = True
) -> nnx.Linear:
    """A linear map from `width` numbers to `num_parts` times as many, with its own initializer."""
    return nnx.Linear(
        width,
        num_parts * width,
        use_bias=bias,
        kernel_init=kernel_init,
        dtype=layers.dtype,
        rngs=layers.rngs,
    )


def haiku_init(fan_in: int) -> nnx.Initializer:
    """The default of haiku's linear maps, used by the recurrent networks of Chan et al. 2022.

    Normal, cut at two deviations of 1 / sqrt(fan_in). Unlike `LINEAR_INIT` it is not scaled up
    again, so its own deviation is 0.88 / sqrt(fan_in).
    """
    return nnx.initializers.truncated_normal(fan_in**-0.5)


def run(
    cell: RecurrentCell,
    layer: nnx.Linear,
    added: Float[Array, "token batch columns"],
    num_arrays: int,
    is_training: bool,
    candidate: Float[Array, "token batch part"] | None = None,
) -> Float[Array, "token batch width"]:
    """Hidden states of a recurrent layer after every token; `given_out` gives them out.

    is_training: uses the gradient of `hidden_states`, which has no forward-mode derivatives.
    """
    if layer.bias is not None:
        added = added + layer.bias[...]
    kernel = layer.kernel[...].astype(layer.dtype)
    return hidden_states(cell, kernel, added, num_arrays, candidate, own_gradient=is_training)


def given_out(
    hidden: Float[Array, "token batch width"], query_only: bool
) -> Float[Array, "batch out width"]:
    """Hidden states after every token, or after the last alone if `query_only`."""
    return (hidden[-1:] if query_only else hidden).swapaxes(0, 1)


def split_candidate(
    products: Float[Array, "*batch columns"], size: int
) -> tuple[Float[Array, "*batch columns"], Float[Array, "*batch part"]]:
    """Products with zeros in place of the last `size` columns, and these columns.

    For a cell that reads the candidate's inputs apart from the sum: see `RecurrentCell`.
    """
    added, candidate = jnp.split(products, [products.shape[-1] - size], axis=-1)
    return jnp.concatenate([added, jnp.zeros_like(candidate)], axis=-1), candidate


def hidden_states(
    cell: RecurrentCell,
    recurrent: Float[Array, "width columns"],
    added: Float[Array, "step batch columns"],
    num_arrays: int,
    candidate: Float[Array, "step batch part"] | None = None,
    own_gradient: bool = True,
) -> Float[Array, "step batch width"]:
    """Hidden states after every step, starting from `num_arrays` arrays of zeros.

    Products have the matrix's type. States are at least float32, because their rounding errors add
    up over steps.

    added: inputs, added to the products with the matrix.
    candidate: inputs that the cell reads apart from these sums.
    own_gradient: uses a custom gradient, which has no forward-mode derivatives. JAX derives the
        gradient of the matrix as a sum over steps, where each step adds a thin product to the whole
        matrix. The custom one is a single product over all steps. On a CPU it takes 0.85 of the
        time for 300 units over 8 steps, forward and backward. A training step with 12 LSTM layers
        of 64 units takes nine tenths.
    """
    form = _states if own_gradient else _plain_states
    dtype = jnp.promote_types(recurrent.dtype, jnp.float32)
    return form(cell, num_arrays, recurrent, added.astype(dtype), candidate)


def _plain_states(
    cell: RecurrentCell, num_arrays: int, recurrent: Array, added: Array, candidate: Array | None
) -> Array:
    def step(total: Array, own: Any, state: State) -> tuple[State, None]:
        return cell(total, own, state), None

    return _scan(step, recurrent, added, num_arrays, candidate)[0]


_states = jax.custom_vjp(_plain_states, nondiff_argnums=(0, 1))


def _forward(
    cell: RecurrentCell, num_arrays: int, recurrent: Array, added: Array, candidate: Array | None
) -> tuple[Array, Any]:
    # The backward pass keeps sigmoids and tanhs and computes the rest of a cell again.
    lean = jax.checkpoint(cell, prevent_cse=False, policy=_is_expensive)
    hidden, pulls = _scan(partial(jax.vjp, lean), recurrent, added, num_arrays, candidate)
    return hidden, (recurrent, hidden, pulls)


def _backward(
    cell: RecurrentCell, num_arrays: int, kept: Any, gradient: Array
) -> tuple[Array, Array, Array | None]:
    recurrent, hidden, pulls = kept

    def body(of_state: State, now: Any) -> tuple[State, tuple[Array, Array | None]]:
        pull, of_hidden = now
        error, of_candidate, before = pull((of_state[0] + of_hidden, *of_state[1:]))
        return (before[0] + _product(error, recurrent.T), *before[1:]), (error, of_candidate)

    zeros = (jnp.zeros_like(hidden[0]),) * num_arrays
    errors, of_candidate = jax.lax.scan(body, zeros, (pulls, gradient), reverse=True)[1]
    # The state that enters the first step is zero, so this step adds nothing.
    entered, of_products = (
        rows.reshape(-1, rows.shape[-1]).astype(recurrent.dtype)
        for rows in (hidden[:-1], errors[1:])
    )
    return entered.T @ of_products, errors, of_candidate


_states.defvjp(_forward, _backward)


def _scan(
    step: Callable[[Array, Any, State], tuple[State, Any]],
    recurrent: Array,
    added: Array,
    num_arrays: int,
    candidate: Array | None,
) -> tuple[Array, Any]:
    """Hidden states after every step, and the second result of every step."""

    def body(state: State, now: tuple[Array, Any]) -> tuple[State, tuple[Array, Any]]:
        x, own = now
        state, note = step(x + _product(state[0], recurrent), own, state)
        return state, (state[0], note)

    zero = jnp.zeros((added.shape[1], len(recurrent)), added.dtype)
    # Not unrolled. On a CPU, at width 64 and 17 tokens, unrolling by 4 or in full makes a training
    # step of an LSTM a fifth to a third slower, and no other cell faster; compiling takes up to 4
    # times as long. Unrolling 257 tokens in full takes minutes to compile.
    return jax.lax.scan(body, (zero,) * num_arrays, (added, candidate))[1]


def _product(x: Array, matrix: Array) -> Array:
    return jnp.matmul(x.astype(matrix.dtype), matrix, preferred_element_type=x.dtype)


def _is_expensive(primitive: Any, *_: Any, **__: Any) -> bool:
    return primitive in (jax.lax.logistic_p, jax.lax.tanh_p)
