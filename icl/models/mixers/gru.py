"""Gated recurrent units (Cho et al. 2014)."""

from typing import ClassVar

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from icl.config.networks import NetworkConfig
from icl.models.layers import Layers
from icl.models.recurrence import State, run, split_candidate
from icl.types import Aux


class Mixer(nnx.Module):
    """`width` units. Notes `hidden`: [batch, out, width].

    The reset gate acts on U h + b', not on h as in Cho et al. 2014: so one product of the state
    serves all gates, where theirs takes two, one after the other. cuDNN and PyTorch do the same,
    and have the same two bias vectors.
    """

    GATES: ClassVar = ("reset_gate", "update_gate", "candidate")
    FUSED: ClassVar = {"input": GATES, "recurrent": GATES}

    def __init__(self, config: NetworkConfig, make: Layers):
        self.is_training = False  # `icl.models.network.make_network` says when it is
        self.input = make.linear(config.width, 3 * config.width)
        self.recurrent = make.linear(config.width, 3 * config.width)

    def __call__(
        self, x: Float[Array, "batch token width"], query_only: bool
    ) -> tuple[Float[Array, "batch out width"], Aux]:
        def cell(total: Array, n: Array, state: State) -> State:
            (h,) = state
            r, z, n_h = jnp.split(total, 3, axis=-1)
            candidate = jnp.tanh(n + jax.nn.sigmoid(r) * n_h)
            kept = jax.nn.sigmoid(z)
            return ((1 - kept) * candidate + kept * h,)

        added, apart = split_candidate(self.input(x.swapaxes(0, 1)), x.shape[2])
        hidden = run(cell, self.recurrent, added, 1, query_only, self.is_training, apart)
        return hidden, {"hidden": hidden}
