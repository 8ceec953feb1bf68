"""Retention: linear attention in which each head forgets at its own rate (Sun et al. 2023)."""

from typing import ClassVar

import jax
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from icl.config.networks import HeadsConfig
from icl.models.chunks import decaying_attention, from_heads, to_heads
from icl.models.layers import Layers, project_heads
from icl.models.sites import Sites


class Mixer(nnx.Module):
    """Several heads; o_t = sum_s gamma ** (t - s) (q_t . k_s) v_s, s <= t, normed and gated.

    Unlike in the paper, values are as wide as keys, and queries and keys are not rotated: positions
    are those of the other networks. Heads are divided by their root mean square and keep their
    mean, as in the authors' code.

    Sites: `query`, `key`, `value` of each head, before scaling; `gate`, silu of its linear map;
    `heads`, the normed o_t, before the gate.
    """

    FUSED: ClassVar = {"qkv": ("query", "key", "value")}

    def __init__(self, config: HeadsConfig, layers: Layers):
        width, self.num_heads = config.width, config.num_heads
        self.qkv = layers.linear(width, 3 * width, bias=False)
        self.gate = layers.linear(width, width, bias=False)
        self.head_norm = nnx.RMSNorm(width // config.num_heads, epsilon=1e-5, rngs=layers.rngs)
        self.out = layers.linear(width, width, bias=False)

    def __call__(
        self, x: Float[Array, "batch token width"], query_only: bool, sites: Sites
    ) -> Float[Array, "batch out width"]:
        parts = project_heads(self.qkv, x, self.num_heads, query_only, sites)
        q, k, v = map(to_heads, parts)
        k = k * k.shape[-1] ** -0.5
        retained = decaying_attention(q, k, v, log_decays(self.num_heads))
        gate = sites.site("gate", jax.nn.silu(self.gate(x[:, -1:] if query_only else x)))
        return self.out(gate * from_heads(self.head_norm(retained), sites))


def log_decays(num_heads: int) -> Float[np.ndarray, " head"]:
    """Logarithms of gamma = 1 - 2 ** -n: n = 5, 6, ... up to 12, as in the paper's eight heads.

    More than eight heads are spaced evenly over the same n: 2 ** 12 tokens are memory enough.
    """
    steps = min(1.0, 7 / max(num_heads - 1, 1))
    return np.log1p(-(2.0 ** -(5 + steps * np.arange(num_heads))))
