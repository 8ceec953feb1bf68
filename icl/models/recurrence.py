"""Recurrence: a state carried from step to step, by the same cell at each."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from icl.models.layers import Layers

State = tuple[Array, ...]  # the first is the hidden state
# (inputs plus the recurrent matrix's product with the hidden state [batch, columns]; inputs that
# no product is added to, or None; state) to the next state.
Cell = Callable[[Array, Any, State], State]


def make_layer(
    make: Layers, width: int, num_parts: int, kernel_init: nnx.Initializer, bias: bool = True
) -> nnx.Linear:
    """From `width` numbers to `num_parts` times as many, with initial weights of its own."""
    return nnx.Linear(
        width,
        num_parts * width,
        use_bias=bias,
        kernel_init=kernel_init,
        dtype=make.dtype,
        rngs=make.rngs,
    )


def haiku_init(fan_in: int) -> nnx.Initializer:
    """haiku's linear maps by default, and so the recurrent networks of Chan et al. 2022.

    Cut at two deviations of 1 / sqrt(fan_in) and, unlike `LINEAR_INIT`, not scaled up again: what
    is left is a deviation of 0.88 / sqrt(fan_in).
    """
    return nnx.initializers.truncated_normal(fan_in**-0.5)


def run(
    cell: Cell,
    layer: nnx.Linear,
    added: Float[Array, "token batch columns"],
    num_arrays: int,
    query_only: bool,
    is_training: bool,
    apart: Float[Array, "token batch part"] | None = None,
) -> Float[Array, "batch out width"]:
    """The hidden states of a recurrent layer, after the last token alone if `query_only`.

    is_training: derivatives can be taken backward only.
    """
    if layer.bias is not None:
        added = added + layer.bias[...]
    kernel = layer.kernel[...].astype(layer.dtype)
    hidden = hidden_states(cell, kernel, added, num_arrays, apart, own_gradient=is_training)
    return (hidden[-1:] if query_only else hidden).swapaxes(0, 1)


def split_candidate(
    products: Float[Array, "*batch columns"], size: int
) -> tuple[Float[Array, "*batch columns"], Float[Array, "*batch part"]]:
    """The last columns, beside the products with zeros in their place: see `Cell`."""
    added, apart = jnp.split(products, [products.shape[-1] - size], axis=-1)
    return jnp.concatenate([added, jnp.zeros_like(apart)], axis=-1), apart


def hidden_states(
    cell: Cell,
    recurrent: Float[Array, "width columns"],
    added: Float[Array, "step batch columns"],
    num_arrays: int,
    apart: Float[Array, "step batch part"] | None = None,
    own_gradient: bool = True,
) -> Float[Array, "step batch width"]:
    """After every step, from a state of `num_arrays` arrays of zeros.

    Products are of the matrix's type, states float32 at least: their roundings add up over steps.

    added: to the products with the matrix.
    apart: what the cell reads beside the sums.
    own_gradient: then there are no forward-mode derivatives. As JAX derives it, the gradient of the
        matrix is a sum over steps, each a thin product added to all of the matrix; its own is one
        product over all steps. On a CPU 300 units over 8 steps take 0.85 of the time for it,
        forward and backward, and a training step of 12 LSTM layers of 64 nine tenths.
    """
    form = _states if own_gradient else _plain_states
    dtype = jnp.promote_types(recurrent.dtype, jnp.float32)
    return form(cell, num_arrays, recurrent, added.astype(dtype), apart)


def _plain_states(
    cell: Cell, num_arrays: int, recurrent: Array, added: Array, apart: Array | None
) -> Array:
    def step(total: Array, own: Any, state: State) -> tuple[State, None]:
        return cell(total, own, state), None

    return _scan(step, recurrent, added, num_arrays, apart)[0]


_states = jax.custom_vjp(_plain_states, nondiff_argnums=(0, 1))


def _forward(
    cell: Cell, num_arrays: int, recurrent: Array, added: Array, apart: Array | None
) -> tuple[Array, Any]:
    # Of a cell, the backward pass reads what is dear to compute and makes all else anew.
    lean = jax.checkpoint(cell, prevent_cse=False, policy=_is_dear)
    hidden, pulls = _scan(partial(jax.vjp, lean), recurrent, added, num_arrays, apart)
    return hidden, (recurrent, hidden, pulls)


def _backward(
    cell: Cell, num_arrays: int, kept: Any, gradient: Array
) -> tuple[Array, Array, Array | None]:
    recurrent, hidden, pulls = kept

    def body(of_state: State, now: Any) -> tuple[State, tuple[Array, Array | None]]:
        pull, of_hidden = now
        error, of_apart, before = pull((of_state[0] + of_hidden, *of_state[1:]))
        return (before[0] + _product(error, recurrent.T), *before[1:]), (error, of_apart)

    zeros = (jnp.zeros_like(hidden[0]),) * num_arrays
    errors, of_apart = jax.lax.scan(body, zeros, (pulls, gradient), reverse=True)[1]
    # What enters the first step's product is zero.
    entered, of_products = (
        rows.reshape(-1, rows.shape[-1]).astype(recurrent.dtype)
        for rows in (hidden[:-1], errors[1:])
    )
    return entered.T @ of_products, errors, of_apart


_states.defvjp(_forward, _backward)


def _scan(
    step: Callable[[Array, Any, State], tuple[State, Any]],
    recurrent: Array,
    added: Array,
    num_arrays: int,
    apart: Array | None,
) -> tuple[Array, Any]:
    """Hidden states, and what else each step gives."""

    def body(state: State, now: tuple[Array, Any]) -> tuple[State, tuple[Array, Any]]:
        x, own = now
        state, note = step(x + _product(state[0], recurrent), own, state)
        return state, (state[0], note)

    zero = jnp.zeros((added.shape[1], len(recurrent)), added.dtype)
    # Not unrolled: on a CPU, at width 64 and 17 tokens, training steps of an LSTM take a fifth to a
    # third longer unrolled by 4 or in full, those of other cells as long or longer, and compiling
    # takes up to 4 times as long; 257 tokens unrolled in full take minutes to compile.
    return jax.lax.scan(body, (zero,) * num_arrays, (added, apart))[1]


def _product(x: Array, matrix: Array) -> Array:
    return jnp.matmul(x.astype(matrix.dtype), matrix, preferred_element_type=x.dtype)


def _is_dear(primitive: Any, *_: Any, **__: Any) -> bool:
    return primitive in (jax.lax.logistic_p, jax.lax.tanh_p)
