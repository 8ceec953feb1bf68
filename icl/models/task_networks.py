"""Networks for tasks over time, as plain functions of parameters: no biases, a linear readout.

A cell is a step that takes numbers added to the product of its recurrent matrix, which is how the
tangent kernel of that matrix is reached (`icl.probes.factored_kernel`).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from icl.config.task_networks import FeedForwardNetwork, RateNetwork, TaskNetworkConfig
from icl.models.matrices import Fused
from icl.models.recurrence import Cell, State, hidden_states, split_candidate

# The code of Liu et al. 2023: recurrent weights normal, of deviation 1.25 / sqrt(width); all others
# uniform within 1 / sqrt(fan-in), as PyTorch's linear maps.
RECURRENT_GAIN = 1.25

Params = dict[str, Any]  # {"input" | "recurrent" | "readout": {"kernel": [fan_in, out]}}


class TaskCell(NamedTuple):
    """A recurrent network in four facts; its parameters follow from them.

    step: see `icl.models.recurrence.Cell`.
    gates: what the parts of its matrices, side by side, are of; empty for a single part.
    num_arrays: of a state.
    sets_apart: whether the last part of the input's product is not added to the recurrent one.
    """

    step: Cell
    gates: tuple[str, ...] = ()
    num_arrays: int = 1
    sets_apart: bool = False


class TaskNetwork(NamedTuple):
    """A network without its numbers.

    init: key to parameters.
    as_steps: inputs [batch, step, channel] to those of the network's own steps.
    hidden: (parameters, inputs of its own steps) to the hidden state after each.
    state: the initial one of a single trial; what is read out is its first array.
    step: (parameters, state, input [channel], numbers added to the product of `recurrent`) to the
        next state and what entered that product.
    num_skipped: of its own steps, those whose product is that of zeros.
    fused: matrices that share a kernel, side by side (`icl.models.matrices`): those of the gates.
    """

    init: Callable[[Key[Array, ""]], Params]
    as_steps: Callable[[Array], Array]
    hidden: Callable[[Params, Array], Array]
    state: State
    step: Callable[[Params, State, Array, Array], tuple[State, Array]]
    num_skipped: int
    fused: Fused

    def apply(
        self, params: Params, inputs: Float[Array, "batch step channel"]
    ) -> tuple[Float[Array, "batch out output"], Float[Array, "batch out width"]]:
        """Logits and hidden states after each of the network's own steps."""
        hidden = self.hidden(params, self.as_steps(inputs))
        return hidden @ params["readout"]["kernel"], hidden


def make_task_network(
    config: TaskNetworkConfig, num_steps: int, num_inputs: int, num_outputs: int
) -> TaskNetwork:
    """The network that a config describes, for trials of so many steps."""
    width = config.width
    if isinstance(config, FeedForwardNetwork):
        return TaskNetwork(
            init=lambda key: _init(key, num_steps * num_inputs, width, 1, num_outputs),
            as_steps=lambda inputs: inputs.reshape(len(inputs), 1, -1),
            hidden=lambda params, inputs: _feed_forward(params, (), inputs, jnp.zeros(()))[0][0],
            state=(jnp.zeros(width),),
            step=_feed_forward,
            num_skipped=0,
            fused={},
        )
    cell, gates, num_arrays, sets_apart = CELLS[config.kind](config)

    def split(products: Array) -> tuple[Array, Array | None]:
        """Those that are added to the recurrent ones, and those that are not."""
        return split_candidate(products, width) if sets_apart else (products, None)

    def step(params: Params, state: State, x: Array, added: Array) -> tuple[State, Array]:
        product = state[0] @ params["recurrent"]["kernel"] + added
        joined, apart = split(x @ params["input"]["kernel"])
        return cell(joined + product, apart, state), state[0]

    def hidden(params: Params, inputs: Array) -> Array:
        joined, apart = split(inputs.swapaxes(0, 1) @ params["input"]["kernel"])
        recurrent = params["recurrent"]["kernel"]
        return hidden_states(cell, recurrent, joined, num_arrays, apart).swapaxes(0, 1)

    return TaskNetwork(
        init=lambda key: _init(key, num_inputs, width, max(len(gates), 1), num_outputs),
        as_steps=lambda inputs: inputs,
        hidden=hidden,
        state=(jnp.zeros(width),) * num_arrays,
        step=step,
        num_skipped=1,
        fused={"input": gates, "recurrent": gates} if gates else {},
    )


def _feed_forward(params: Params, state: State, x: Array, added: Array) -> tuple[State, Array]:
    """Two layers; `recurrent` is the matrix between them, so that all measures find it."""
    first = jax.nn.relu(x @ params["input"]["kernel"])
    return (jax.nn.relu(first @ params["recurrent"]["kernel"] + added),), first


def _init(
    key: Key[Array, ""], num_inputs: int, width: int, num_parts: int, num_outputs: int
) -> Params:
    input_key, recurrent_key, readout_key = jax.random.split(key, 3)
    normal = jax.random.normal(recurrent_key, (width, num_parts * width))
    return {
        "input": {"kernel": _uniform(input_key, (num_inputs, num_parts * width))},
        "recurrent": {"kernel": RECURRENT_GAIN * normal / jnp.sqrt(width)},
        "readout": {"kernel": _uniform(readout_key, (width, num_outputs))},
    }


def _uniform(key: Key[Array, ""], shape: tuple[int, int]) -> Float[Array, "fan_in out"]:
    bound = shape[0] ** -0.5
    return jax.random.uniform(key, shape, minval=-bound, maxval=bound)


def _rate(config: RateNetwork) -> TaskCell:
    leak = config.leak

    def cell(total: Array, _: None, state: State) -> State:
        (h,) = state
        return (jax.nn.relu((1 - leak) * h + leak * total),)

    return TaskCell(cell)


def _gru(config: TaskNetworkConfig) -> TaskCell:
    def cell(total: Array, n: Array, state: State) -> State:
        (h,) = state
        r, z, n_h = jnp.split(total, 3, axis=-1)
        candidate = jnp.tanh(n + jax.nn.sigmoid(r) * n_h)
        kept = jax.nn.sigmoid(z)
        return ((1 - kept) * candidate + kept * h,)

    return TaskCell(cell, ("reset_gate", "update_gate", "candidate"), sets_apart=True)


def _lstm(config: TaskNetworkConfig) -> TaskCell:
    def cell(total: Array, _: None, state: State) -> State:
        memory = state[1]
        entering, forgotten, candidate, read = jnp.split(total, 4, axis=-1)
        kept = jax.nn.sigmoid(forgotten) * memory
        memory = kept + jax.nn.sigmoid(entering) * jnp.tanh(candidate)
        return jax.nn.sigmoid(read) * jnp.tanh(memory), memory

    return TaskCell(cell, ("input_gate", "forget_gate", "cell", "output_gate"), num_arrays=2)


CELLS: dict[str, Callable[[Any], TaskCell]] = {
    "rate": _rate,
    "gru": _gru,
    "lstm": _lstm,
}
