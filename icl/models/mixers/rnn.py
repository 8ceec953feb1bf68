"""The vanilla recurrent network (Elman 1990)."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from icl.config.models import RNNConfig
from icl.models.layers import Make
from icl.models.recurrence import State, haiku_init, make_layer, make_product, run
from icl.types import Aux

ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh}


class Mixer(nnx.Module):
    """h = f(W x + b + U h + b'). Notes `hidden`: [batch, out, width].

    Two bias vectors, as haiku's VanillaRNN in Chan et al. 2022.
    """

    def __init__(self, config: RNNConfig, make: Make):
        width, init = config.width, haiku_init(config.width)
        self.activation = config.activation
        self.input = make_layer(make, width, 1, init)
        self.recurrent = make_layer(make, width, 1, init)

    def __call__(
        self, x: Float[Array, "batch token width"], query_only: bool
    ) -> tuple[Float[Array, "batch out width"], Aux]:
        recurrent, activation = make_product(self.recurrent), ACTIVATIONS[self.activation]

        def step(state: State, product: Array) -> State:
            return (activation(product + recurrent(state[0])),)

        hidden = run(step, self.input, x, num_arrays=1, query_only=query_only)
        return hidden, {"hidden": hidden}
