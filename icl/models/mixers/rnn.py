"""The vanilla recurrent network (Elman 1990)."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from icl.config.networks import RNNConfig
from icl.models.layers import Layers
from icl.models.recurrence import State, haiku_init, make_layer, run
from icl.types import Aux

ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh}


class Mixer(nnx.Module):
    """h = f(W x + b + U h + b'). Notes `hidden`: [batch, out, width].

    Two bias vectors, as haiku's VanillaRNN in Chan et al. 2022.
    """

    def __init__(self, config: RNNConfig, make: Layers):
        width, init = config.width, haiku_init(config.width)
        self.is_training = False  # `icl.models.network.make_network` says when it is
        self.activation = config.activation
        self.input = make_layer(make, width, 1, init)
        self.recurrent = make_layer(make, width, 1, init)

    def __call__(
        self, x: Float[Array, "batch token width"], query_only: bool
    ) -> tuple[Float[Array, "batch out width"], Aux]:
        activation = ACTIVATIONS[self.activation]

        def cell(total: Array, _: None, state: State) -> State:
            return (activation(total),)

        products = self.input(x.swapaxes(0, 1))
        hidden = run(cell, self.recurrent, products, 1, query_only, self.is_training)
        return hidden, {"hidden": hidden}
