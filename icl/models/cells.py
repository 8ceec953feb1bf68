"""Recurrent cells, one step each, for the networks of sequences and of tasks.

See `icl.models.recurrence.RecurrentCell` for the arguments of a cell. `total` is the sum of the
inputs and of the recurrent matrix's product; its columns hold the gates side by side.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array

from icl.models.recurrence import RecurrentCell, State

GRU_GATES = ("reset_gate", "update_gate", "candidate")


def vanilla_cell(activation: Callable[[Array], Array]) -> RecurrentCell:
    """h = f(total) (Elman 1990)."""

    def cell(total: Array, _: None, state: State) -> State:
        return (activation(total),)

    return cell


def rate_cell(leak: float) -> RecurrentCell:
    """h = relu((1 - leak) h + leak * total): rate units in discrete steps (Liu et al. 2023).

    leak: length of a step in time constants; with 1 nothing of the old state is kept.
    """

    def cell(total: Array, _: None, state: State) -> State:
        (h,) = state
        return (jax.nn.relu((1 - leak) * h + leak * total),)

    return cell


def gru_cell() -> RecurrentCell:
    """Gated recurrent units (Cho et al. 2014), their gates in the order of `GRU_GATES`.

    The reset gate acts on U h + b', not on h as in Cho et al. 2014. One product of the state then
    serves all gates, where theirs needs two, one after the other. cuDNN and PyTorch do the same,
    and have the same two bias vectors. The inputs of the candidate are therefore not summed into
    `total`: they are the second argument, see `icl.models.recurrence.split_candidate`.
    """

    def cell(total: Array, n: Array, state: State) -> State:
        (h,) = state
        r, z, n_h = jnp.split(total, 3, axis=-1)
        candidate = jnp.tanh(n + jax.nn.sigmoid(r) * n_h)
        kept = jax.nn.sigmoid(z)
        return ((1 - kept) * candidate + kept * h,)

    return cell


def lstm_cell(gates: tuple[str, ...], forget_bias: float | None = None) -> RecurrentCell:
    """Long short-term memory (Hochreiter and Schmidhuber 1997) with a forget gate (Gers et al.
    2000). The state is the hidden state and the memory.

    gates: the order of `input_gate`, `forget_gate`, `cell` and `output_gate` in the columns.
    forget_bias: added to the forget gate's input; None: nothing is.
    """

    def cell(total: Array, _: None, state: State) -> State:
        memory = state[1]
        parts = dict(zip(gates, jnp.split(total, 4, axis=-1), strict=True))
        forget = parts["forget_gate"]
        kept = jax.nn.sigmoid(forget if forget_bias is None else forget + forget_bias) * memory
        memory = kept + jax.nn.sigmoid(parts["input_gate"]) * jnp.tanh(parts["cell"])
        return jax.nn.sigmoid(parts["output_gate"]) * jnp.tanh(memory), memory

    return cell
