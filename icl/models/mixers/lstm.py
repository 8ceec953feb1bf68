"""Long short-term memory (Hochreiter and Schmidhuber 1997) that can forget (Gers et al. 2000)."""

from typing import ClassVar

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from icl.config.networks import LSTMConfig
from icl.models.layers import Layers
from icl.models.recurrence import State, haiku_init, make_layer, run
from icl.types import Aux


class Mixer(nnx.Module):
    """A hidden state and a cell of `width` units. Notes `hidden`: [batch, out, width]."""

    GATES: ClassVar = ("input_gate", "cell", "forget_gate", "output_gate")
    FUSED: ClassVar = {"input": GATES, "recurrent": GATES}

    def __init__(self, config: LSTMConfig, make: Layers):
        self.is_training = False  # `icl.models.network.make_network` says when it is
        self.forget_bias = config.forget_bias
        # haiku's LSTM, in Chan et al. 2022, reads token and state with one kernel: both are its
        # fan-in, and one bias serves both.
        init = haiku_init(2 * config.width)
        self.input = make_layer(make, config.width, 4, init)
        self.recurrent = make_layer(make, config.width, 4, init, bias=False)

    def __call__(
        self, x: Float[Array, "batch token width"], query_only: bool
    ) -> tuple[Float[Array, "batch out width"], Aux]:
        def cell(total: Array, _: None, state: State) -> State:
            c = state[1]
            i, g, f, o = jnp.split(total, 4, axis=-1)
            kept = jax.nn.sigmoid(f + self.forget_bias) * c
            c = kept + jax.nn.sigmoid(i) * jnp.tanh(g)
            return jax.nn.sigmoid(o) * jnp.tanh(c), c

        products = self.input(x.swapaxes(0, 1))
        hidden = run(cell, self.recurrent, products, 2, query_only, self.is_training)
        return hidden, {"hidden": hidden}
