"""Gated recurrent units (Cho et al. 2014)."""

from typing import ClassVar

from flax import nnx
from jaxtyping import Array, Float

from icl.config.networks import NetworkConfig
from icl.models.cells import GRU_GATES, gru_cell
from icl.models.layers import Layers
from icl.models.recurrence import given_out, run, split_candidate
from icl.models.sites import Sites


class Mixer(nnx.Module):
    """`width` units, see `icl.models.cells.gru_cell`.

    Site: `hidden`, the states after the recurrence: an edit does not act within it.
    """

    FUSED: ClassVar = {"input": GRU_GATES, "recurrent": GRU_GATES}

    def __init__(self, config: NetworkConfig, layers: Layers):
        self.is_training = False  # set by `icl.models.network.make_network`
        self.input = layers.linear(config.width, 3 * config.width)
        self.recurrent = layers.linear(config.width, 3 * config.width)

    def __call__(
        self, x: Float[Array, "batch token width"], query_only: bool, sites: Sites
    ) -> Float[Array, "batch out width"]:
        added, candidate = split_candidate(self.input(x.swapaxes(0, 1)), x.shape[2])
        cell, recurrent = gru_cell(), self.recurrent
        hidden = run(cell, recurrent, added, 1, self.is_training, candidate)
        return sites.site("hidden", given_out(hidden, query_only))
