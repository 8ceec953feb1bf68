"""A continuous-time ReLU recurrent network, in discrete steps (Liu et al. 2023)."""

from flax import nnx
from jaxtyping import Array, Float

from icl.config.networks import CTRNNConfig
from icl.models.cells import rate_cell
from icl.models.layers import Layers
from icl.models.recurrence import given_out, make_layer, run
from icl.models.sites import Sites

# The code of Liu et al. 2023 (arXiv 2310.08513). Recurrent weights are normal and not truncated,
# of deviation 1.25 / sqrt(width); input weights uniform within 1 / sqrt(width), as PyTorch's.
RECURRENT_INIT = nnx.initializers.variance_scaling(1.25**2, "fan_in", "normal")
INPUT_INIT = nnx.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


class Mixer(nnx.Module):
    """h = relu((1 - leak) h + leak (W x + U h)), without biases.

    Site: `hidden`, the states after the recurrence: an edit does not act within it.
    """

    def __init__(self, config: CTRNNConfig, layers: Layers):
        self.is_training = False  # set by `icl.models.network.make_network`
        self.leak = config.leak
        self.input = make_layer(layers, config.width, 1, INPUT_INIT, bias=False)
        self.recurrent = make_layer(layers, config.width, 1, RECURRENT_INIT, bias=False)

    def __call__(
        self, x: Float[Array, "batch token width"], query_only: bool, sites: Sites
    ) -> Float[Array, "batch out width"]:
        products = self.input(x.swapaxes(0, 1))
        cell = rate_cell(self.leak)
        hidden = run(cell, self.recurrent, products, 1, self.is_training)
        return sites.site("hidden", given_out(hidden, query_only))
