"""Retention: linear attention that forgets at a rate of each head's own (Sun et al. 2023)."""

from typing import ClassVar

import jax
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from icl.config.networks import HeadsConfig
from icl.models.chunks import decaying_attention, from_heads, to_heads
from icl.models.layers import Layers, project
from icl.types import Aux


class Mixer(nnx.Module):
    """Several heads; o_t = sum_s gamma ** (t - s) (q_t . k_s) v_s, s <= t, normed and gated.

    Unlike the paper, values are as wide as keys, and queries and keys are not rotated: positions
    are told as to the other networks. Heads are divided by their root mean square, as in the
    authors' code, and their mean is kept.
    """

    FUSED: ClassVar = {"qkv": ("query", "key", "value")}

    def __init__(self, config: HeadsConfig, make: Layers):
        width, self.num_heads = config.width, config.num_heads
        self.qkv = make.linear(width, 3 * width, bias=False)
        self.gate = make.linear(width, width, bias=False)
        self.head_norm = nnx.RMSNorm(width // config.num_heads, epsilon=1e-5, rngs=make.rngs)
        self.out = make.linear(width, width, bias=False)

    def __call__(
        self, x: Float[Array, "batch token width"], query_only: bool
    ) -> tuple[Float[Array, "batch out width"], Aux]:
        parts = project(self.qkv, x, 3, query_only)
        q, k, v = (to_heads(part, self.num_heads) for part in parts)
        k = k * k.shape[-1] ** -0.5
        retained = decaying_attention(q, k, v, log_decays(self.num_heads))
        gate = self.gate(x[:, -1:] if query_only else x)
        return self.out(jax.nn.silu(gate) * from_heads(self.head_norm(retained))), {}


def log_decays(num_heads: int) -> Float[np.ndarray, " head"]:
    """Of gamma = 1 - 2 ** -n: n = 5, 6, ... up to 12, as for the paper's eight heads.

    More than eight share these between them evenly: 2 ** 12 tokens is memory enough.
    """
    steps = min(1.0, 7 / max(num_heads - 1, 1))
    return np.log1p(-(2.0 ** -(5 + steps * np.arange(num_heads))))
