"""Linear attention: similarity is a product of positive features (Katharopoulos et al. 2020)."""

from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from icl.config.networks import HeadsConfig
from icl.models.chunks import decaying_attention, from_heads, to_heads
from icl.models.layers import Layers, project
from icl.types import Aux

# Added to the sum of similarities, which are 0 where features underflow.
EPSILON = 1e-6


class Mixer(nnx.Module):
    """Several heads; o_t = sum_s (f(q_t) . f(k_s)) v_s / sum_s f(q_t) . f(k_s), s <= t."""

    FUSED: ClassVar = {"qkv": ("query", "key", "value")}

    def __init__(self, config: HeadsConfig, make: Layers):
        self.num_heads = config.num_heads
        self.qkv = make.linear(config.width, 3 * config.width)
        self.out = make.linear(config.width, config.width)

    def __call__(
        self, x: Float[Array, "batch token width"], query_only: bool
    ) -> tuple[Float[Array, "batch out width"], Aux]:
        parts = project(self.qkv, x, 3, query_only)
        q, k, v = (to_heads(part, self.num_heads) for part in parts)
        # A value of 1 beside the others sums the similarities.
        ones = jnp.ones((*v.shape[:-1], 1), v.dtype)
        no_decay = np.zeros(self.num_heads)
        sums = decaying_attention(
            _features(q), _features(k), jnp.concatenate([v, ones], axis=-1), no_decay
        )
        mixed = sums[..., :-1] / (sums[..., -1:] + EPSILON)
        return self.out(from_heads(mixed)), {}


def _features(x: Array) -> Array:
    """elu(x) + 1, positive; where it is small, not rounded as a sum with 1 would be."""
    # What is not chosen must be finite, and 0 must have the slope of one side, not of half.
    return jnp.where(x > 0, x + 1, jnp.exp(jnp.where(x > 0, 0, x)))
