"""Networks for tasks over time, as plain functions of parameters: no biases, a linear readout.

A step takes numbers that are added to the product of its recurrent matrix. The tangent kernel of
this matrix is computed from their gradients (`icl.probes.factored_kernel`).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from icl.config.task_networks import FeedForwardNetwork, RateNetwork, TaskNetworkConfig
from icl.models.cells import GRU_GATES, gru_cell, lstm_cell, rate_cell
from icl.models.matrices import Fused
from icl.models.recurrence import RecurrentCell, State, hidden_states, split_candidate
from icl.models.sites import NO_EDITS, Edits, Sites
from icl.types import Aux

# The code of Liu et al. 2023: recurrent weights are normal with deviation 1.25 / sqrt(width); all
# others are uniform within 1 / sqrt(fan-in), as in PyTorch's linear maps.
RECURRENT_GAIN = 1.25

Params = dict[str, Any]  # {"input" | "recurrent" | "readout": {"kernel": [fan_in, out]}}


class TaskCell(NamedTuple):
    """The four properties of a recurrent network that determine its parameters.

    step: see `icl.models.recurrence.RecurrentCell`.
    gates: names of the parts of its matrices, side by side; empty for a single part.
    num_arrays: arrays in a state.
    has_separate_candidate: whether the last part of the input's product is kept out of the sum
        with the recurrent one.
    """

    step: RecurrentCell
    gates: tuple[str, ...] = ()
    num_arrays: int = 1
    has_separate_candidate: bool = False


class TaskNetwork(NamedTuple):
    """A network without its numbers.

    init: key -> parameters.
    as_steps: inputs [batch, step, channel] -> inputs of the network's own steps.
    hidden: (parameters, inputs of its own steps) -> the hidden state after each.
    state: the initial state of a single trial; its first array is read out.
    step: (parameters, state, input [channel], numbers added to the product of `recurrent`) ->
        (next state, what entered that product).
    num_skipped: number of its own steps at which zeros enter this product.
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
        self,
        params: Params,
        inputs: Float[Array, "batch step channel"],
        edits: Edits = NO_EDITS,
    ) -> tuple[Float[Array, "batch out output"], Aux]:
        """Logits after each of the network's own steps, and the value of every site.

        Sites: `input`, the inputs; `hidden`, the hidden states, [batch, out, width]. An edit of
        `hidden` acts on what is read out, not within the recurrence.

        edits: functions from value to value, by site; see `icl.models.sites`. Raises ValueError
        for a site that the network does not have, and for an edit that changes shape or type.
        """
        sites = Sites(edits)
        inputs = sites.site("input", inputs)
        hidden = sites.site("hidden", self.hidden(params, self.as_steps(inputs)))
        sites.check()
        return hidden @ params["readout"]["kernel"], sites.notes


def make_task_network(
    config: TaskNetworkConfig, num_steps: int, num_inputs: int, num_outputs: int
) -> TaskNetwork:
    """The network that a config describes, for trials of `num_steps` steps."""
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
    cell, gates, num_arrays, has_separate_candidate = CELLS[config.kind](config)

    def split(products: Array) -> tuple[Array, Array | None]:
        """Products that are added to the recurrent ones, and those that are not."""
        return split_candidate(products, width) if has_separate_candidate else (products, None)

    def step(params: Params, state: State, x: Array, added: Array) -> tuple[State, Array]:
        product = state[0] @ params["recurrent"]["kernel"] + added
        joined, candidate = split(x @ params["input"]["kernel"])
        return cell(joined + product, candidate, state), state[0]

    def hidden(params: Params, inputs: Array) -> Array:
        joined, candidate = split(inputs.swapaxes(0, 1) @ params["input"]["kernel"])
        recurrent = params["recurrent"]["kernel"]
        return hidden_states(cell, recurrent, joined, num_arrays, candidate).swapaxes(0, 1)

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
    """Two layers. The matrix between them is called `recurrent`, so that all measures find it."""
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
    return TaskCell(rate_cell(config.leak))


def _gru(config: TaskNetworkConfig) -> TaskCell:
    return TaskCell(gru_cell(), GRU_GATES, has_separate_candidate=True)


def _lstm(config: TaskNetworkConfig) -> TaskCell:
    gates = ("input_gate", "forget_gate", "cell", "output_gate")
    return TaskCell(lstm_cell(gates), gates, num_arrays=2)


CELLS: dict[str, Callable[[Any], TaskCell]] = {
    "rate": _rate,
    "gru": _gru,
    "lstm": _lstm,
}
