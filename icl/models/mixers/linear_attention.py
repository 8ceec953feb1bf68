"""Linear attention: similarities are products of positive features (Katharopoulos et al. 2020)."""

from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from icl.config.networks import HeadsConfig
from icl.models.chunks import decaying_attention, from_heads, to_heads
from icl.models.layers import Layers, project_heads
from icl.models.sites import Sites

# Added to the sum of similarities, which are 0 where features underflow.
EPSILON = 1e-6


class Mixer(nnx.Module):
    """Several heads; o_t = sum_s (f(q_t) . f(k_s)) v_s / sum_s f(q_t) . f(k_s), s <= t.

    Sites: `query`, `key`, `value` of each head, before the features f; `heads`, o_t.
    """

    FUSED: ClassVar = {"qkv": ("query", "key", "value")}

    def __init__(self, config: HeadsConfig, layers: Layers):
        self.num_heads = config.num_heads
        self.qkv = layers.linear(config.width, 3 * config.width)
        self.out = layers.linear(config.width, config.width)

    def __call__(
        self, x: Float[Array, "batch token width"], query_only: bool, sites: Sites
    ) -> Float[Array, "batch out width"]:
        parts = project_heads(self.qkv, x, self.num_heads, query_only, sites)
        q, k, v = map(to_heads, parts)
        # A further value, always 1, sums the similarities.
        ones = jnp.ones((*v.shape[:-1], 1), v.dtype)
        no_decay = np.zeros(self.num_heads)
        sums = decaying_attention(
            _features(q), _features(k), jnp.concatenate([v, ones], axis=-1), no_decay
        )
        mixed = sums[..., :-1] / (sums[..., -1:] + EPSILON)
        return self.out(from_heads(mixed, sites))


def _features(x: Array) -> Array:
    """elu(x) + 1, which is positive, without the rounding of a sum with 1 where it is small."""
    # The branch not chosen must be finite, and the slope at 0 must be that of one side.
    return jnp.where(x > 0, x + 1, jnp.exp(jnp.where(x > 0, 0, x)))
