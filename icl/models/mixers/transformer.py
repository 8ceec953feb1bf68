"""Softmax attention: a token looks at itself and at all before it (Vaswani et al. 2017)."""

import math
from typing import ClassVar

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from icl.config.networks import RotaryPositions, TransformerConfig
from icl.models.attention import attend, attend_in_training
from icl.models.layers import Layers, on_cpu, project, rotate, split_heads
from icl.types import Aux


class Mixer(nnx.Module):
    """Several heads. Notes `attention`, the pattern of each: [batch, head, out, token].

    In training on a CPU derivatives can be taken backward only.
    """

    FUSED: ClassVar = {"qkv": ("query", "key", "value")}

    def __init__(self, config: TransformerConfig, make: Layers):
        width, bias = config.width, config.attention_bias
        self.is_training = False  # `icl.models.network.make_network` says when it is
        self.num_heads = config.num_heads
        self.scale = config.attention_scale or 1 / math.sqrt(width // config.num_heads)
        positions = config.positions
        self.rotary_base = positions.base if isinstance(positions, RotaryPositions) else None
        self.qkv = make.linear(width, 3 * width, bias)
        self.out = make.linear(width, width, bias) if config.attention_out else None

    def __call__(
        self, x: Float[Array, "batch token width"], query_only: bool
    ) -> tuple[Float[Array, "batch out width"], Aux]:
        parts = project(self.qkv, x, 3, query_only)
        q, k, v = (split_heads(part, self.num_heads) for part in parts)
        if self.rotary_base is not None:
            q, k = self._rotate(q, k)
        form = attend_in_training if self.is_training and on_cpu() else attend
        mixed, pattern = form(q, k, v, self.scale)
        mixed = mixed.reshape(*mixed.shape[:2], x.shape[-1])
        return mixed if self.out is None else self.out(mixed), {"attention": pattern}

    def _rotate(self, q: Array, k: Array) -> tuple[Array, Array]:
        """The queries are those of the last tokens."""
        assert self.rotary_base is not None
        missing = k.shape[1] - q.shape[1]
        padded = jnp.pad(q, ((0, 0), (missing, 0), (0, 0), (0, 0)))
        return rotate(padded, self.rotary_base)[:, missing:], rotate(k, self.rotary_base)
