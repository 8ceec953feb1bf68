"""Gated recurrent units (Cho et al. 2014)."""

from typing import ClassVar

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from icl.config.networks import NetworkConfig
from icl.models.layers import Make
from icl.models.recurrence import State, make_product, run
from icl.types import Aux


class Mixer(nnx.Module):
    """`width` units. Notes `hidden`: [batch, out, width].

    The reset gate acts on U h + b', not on h as in Cho et al. 2014: so one product of the state
    serves all gates, where theirs takes two, one after the other. cuDNN and PyTorch do the same,
    and have the same two bias vectors.
    """

    GATES: ClassVar = ("reset_gate", "update_gate", "candidate")
    FUSED: ClassVar = {"input": GATES, "recurrent": GATES}

    def __init__(self, config: NetworkConfig, make: Make):
        self.input = make.linear(config.width, 3 * config.width)
        self.recurrent = make.linear(config.width, 3 * config.width)

    def __call__(
        self, x: Float[Array, "batch token width"], query_only: bool
    ) -> tuple[Float[Array, "batch out width"], Aux]:
        recurrent = make_product(self.recurrent)

        def step(state: State, product: Array) -> State:
            (h,) = state
            r, z, n = jnp.split(product, 3, axis=-1)
            r_h, z_h, n_h = jnp.split(recurrent(h), 3, axis=-1)
            candidate = jnp.tanh(n + jax.nn.sigmoid(r + r_h) * n_h)
            kept = jax.nn.sigmoid(z + z_h)
            return ((1 - kept) * candidate + kept * h,)

        hidden = run(step, self.input, x, num_arrays=1, query_only=query_only)
        return hidden, {"hidden": hidden}
