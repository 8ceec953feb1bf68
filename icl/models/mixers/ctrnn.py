"""A continuous-time ReLU recurrent network, in discrete steps (Liu et al. 2023)."""

import jax
from flax import nnx
from jaxtyping import Array, Float

from icl.config.networks import CTRNNConfig
from icl.models.layers import Layers
from icl.models.recurrence import State, make_layer, run
from icl.types import Aux

# The code of Liu et al. 2023 (arXiv 2310.08513). Recurrent weights are normal and not truncated,
# of deviation 1.25 / sqrt(width); input weights uniform within 1 / sqrt(width), as PyTorch's.
RECURRENT_INIT = nnx.initializers.variance_scaling(1.25**2, "fan_in", "normal")
INPUT_INIT = nnx.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


class Mixer(nnx.Module):
    """h = relu((1 - leak) h + leak (W x + U h)), without biases.

    Notes `hidden`: [batch, out, width].
    """

    def __init__(self, config: CTRNNConfig, make: Layers):
        self.is_training = False  # `icl.models.network.make_network` says when it is
        self.leak = config.leak
        self.input = make_layer(make, config.width, 1, INPUT_INIT, bias=False)
        self.recurrent = make_layer(make, config.width, 1, RECURRENT_INIT, bias=False)

    def __call__(
        self, x: Float[Array, "batch token width"], query_only: bool
    ) -> tuple[Float[Array, "batch out width"], Aux]:
        def cell(total: Array, _: None, state: State) -> State:
            (h,) = state
            return (jax.nn.relu((1 - self.leak) * h + self.leak * total),)

        products = self.input(x.swapaxes(0, 1))
        hidden = run(cell, self.recurrent, products, 1, query_only, self.is_training)
        return hidden, {"hidden": hidden}
