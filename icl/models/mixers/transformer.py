"""Softmax attention: a token looks at itself and at all tokens before it (Vaswani et al. 2017)."""

import math
from typing import ClassVar

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from icl.config.networks import RotaryPositions, TransformerConfig
from icl.models.attention import attend, attend_in_training
from icl.models.layers import Layers, on_cpu, project_heads, rotate
from icl.models.sites import Sites

SITES = ("query", "key", "value", "attention", "heads")


class Mixer(nnx.Module):
    """Several heads of causal attention.

    Sites: `query`, `key` and `value` of each head, before rotary positions; `attention`, the
    pattern of each head; `heads`, what each head reads, before the output map.

    In training on a CPU there are no forward-mode derivatives, unless one of these sites is edited.
    """

    FUSED: ClassVar = {"qkv": ("query", "key", "value")}

    def __init__(self, config: TransformerConfig, layers: Layers):
        width, bias = config.width, config.attention_bias
        self.is_training = False  # set by `icl.models.network.make_network`
        self.num_heads = config.num_heads
        self.scale = config.attention_scale or 1 / math.sqrt(width // config.num_heads)
        positions = config.positions
        self.rotary_base = positions.base if isinstance(positions, RotaryPositions) else None
        self.qkv = layers.linear(width, 3 * width, bias)
        self.out = layers.linear(width, width, bias) if config.attention_out else None

    def __call__(
        self, x: Float[Array, "batch token width"], query_only: bool, sites: Sites
    ) -> Float[Array, "batch out width"]:
        q, k, v = project_heads(self.qkv, x, self.num_heads, query_only, sites)
        if self.rotary_base is not None:
            q, k = self._rotate(q, k)
        if self.is_training and on_cpu() and not sites.has_edit(*SITES):
            mixed, pattern = attend_in_training(q, k, v, self.scale)
            sites.site("attention", pattern)
        else:
            mixed, _ = attend(q, k, v, self.scale, lambda p: sites.site("attention", p))
        mixed = sites.site("heads", mixed)
        mixed = mixed.reshape(*mixed.shape[:2], x.shape[-1])
        return mixed if self.out is None else self.out(mixed)

    def _rotate(self, q: Array, k: Array) -> tuple[Array, Array]:
        """Queries and keys turned by their positions; the queries are those of the last tokens."""
        assert self.rotary_base is not None
        missing = k.shape[1] - q.shape[1]
        padded = jnp.pad(q, ((0, 0), (missing, 0), (0, 0), (0, 0)))
        return rotate(padded, self.rotary_base)[:, missing:], rotate(k, self.rotary_base)
