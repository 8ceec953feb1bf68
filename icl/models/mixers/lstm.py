"""Long short-term memory (Hochreiter and Schmidhuber 1997) with forget gates (Gers et al. 2000)."""

from typing import ClassVar

from flax import nnx
from jaxtyping import Array, Float

from icl.config.networks import LSTMConfig
from icl.models.cells import lstm_cell
from icl.models.layers import Layers
from icl.models.recurrence import given_out, haiku_init, make_layer, run
from icl.models.sites import Sites


class Mixer(nnx.Module):
    """`width` units, each with a hidden state and a memory.

    Site: `hidden`, the states after the recurrence: an edit does not act within it.
    """

    GATES: ClassVar = ("input_gate", "cell", "forget_gate", "output_gate")
    FUSED: ClassVar = {"input": GATES, "recurrent": GATES}

    def __init__(self, config: LSTMConfig, layers: Layers):
        self.is_training = False  # set by `icl.models.network.make_network`
        self.forget_bias = config.forget_bias
        # haiku's LSTM, used by Chan et al. 2022, reads token and state with one kernel: the fan-in
        # counts both, and one bias serves both.
        init = haiku_init(2 * config.width)
        self.input = make_layer(layers, config.width, 4, init)
        self.recurrent = make_layer(layers, config.width, 4, init, bias=False)

    def __call__(
        self, x: Float[Array, "batch token width"], query_only: bool, sites: Sites
    ) -> Float[Array, "batch out width"]:
        products = self.input(x.swapaxes(0, 1))
        cell = lstm_cell(self.GATES, self.forget_bias)
        hidden = run(cell, self.recurrent, products, 2, self.is_training)
        return sites.site("hidden", given_out(hidden, query_only))
