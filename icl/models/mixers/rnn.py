"""The vanilla recurrent network (Elman 1990)."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from icl.config.networks import RNNConfig
from icl.models.cells import vanilla_cell
from icl.models.layers import Layers
from icl.models.recurrence import given_out, haiku_init, make_layer, run
from icl.models.sites import Sites

ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh}


class Mixer(nnx.Module):
    """h = f(W x + b + U h + b'), with two bias vectors, as haiku's VanillaRNN in Chan et al. 2022.

    Site: `hidden`, the states after the recurrence: an edit does not act within it.
    """

    def __init__(self, config: RNNConfig, layers: Layers):
        width, init = config.width, haiku_init(config.width)
        self.is_training = False  # set by `icl.models.network.make_network`
        self.activation = config.activation
        self.input = make_layer(layers, width, 1, init)
        self.recurrent = make_layer(layers, width, 1, init)

    def __call__(
        self, x: Float[Array, "batch token width"], query_only: bool, sites: Sites
    ) -> Float[Array, "batch out width"]:
        cell = vanilla_cell(ACTIVATIONS[self.activation])
        products = self.input(x.swapaxes(0, 1))
        hidden = run(cell, self.recurrent, products, 1, self.is_training)
        return sites.site("hidden", given_out(hidden, query_only))
