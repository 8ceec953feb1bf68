"""Recurrence: a state carried from token to token, by the same step at each."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from icl.models.layers import Make

State = tuple[Array, ...]
Step = Callable[[State, Array], State]


def make_layer(
    make: Make, width: int, num_parts: int, kernel_init: nnx.Initializer, bias: bool = True
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
    step: Step,
    layer: nnx.Linear,
    x: Float[Array, "batch token width"],
    num_arrays: int,
    query_only: bool,
) -> Float[Array, "batch out width"]:
    """The hidden states after every token, or after the last alone if `query_only`.

    step: (state, the layer's output for a token) to the next state. A state is `num_arrays` arrays
        [batch, width], zero at first; the first of them is the hidden state.
    """
    # All tokens in one product, time-major, as the scan reads them.
    products = layer(x.swapaxes(0, 1))
    zero = jnp.zeros((x.shape[0], x.shape[2]), _state_dtype(layer))

    def body(state: State, product: Array) -> tuple[State, Array | None]:
        state = step(state, product)
        return state, None if query_only else state[0]

    # Not unrolled: on a CPU, at width 64 and 17 tokens, training steps of an LSTM take a fifth to a
    # third longer unrolled by 4 or in full, those of other cells as long or longer, and compiling
    # takes up to 4 times as long; 257 tokens unrolled in full take minutes to compile.
    last, hidden = jax.lax.scan(body, (zero,) * num_arrays, products)
    return last[0][:, None] if hidden is None else hidden.swapaxes(0, 1)


def make_product(
    layer: nnx.Linear,
) -> Callable[[Float[Array, "batch width"]], Float[Array, "batch out"]]:
    """The layer as a function of states: its products in its own type, its output as a state's."""
    dtype, kernel = _state_dtype(layer), layer.kernel[...].astype(layer.dtype)
    bias = None if layer.bias is None else layer.bias[...]

    def product(h: Float[Array, "batch width"]) -> Float[Array, "batch out"]:
        out = jnp.matmul(h.astype(kernel.dtype), kernel, preferred_element_type=dtype)
        return out if bias is None else out + bias

    return product


def _state_dtype(layer: nnx.Linear) -> jnp.dtype:
    """Roundings of a state add up over the tokens: never below float32."""
    return jnp.promote_types(layer.dtype, jnp.float32)
