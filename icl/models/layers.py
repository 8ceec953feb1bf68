"""Layers and functions that networks share, with the initialisation of the papers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Shaped

from icl.models.sites import Sites

# Variance 1 / fan_in, truncated at two standard deviations: the linear initialisation of
# Chan et al. 2022.
LINEAR_INIT = nnx.initializers.variance_scaling(1.0, "fan_in", "truncated_normal")


def on_cpu() -> bool:
    """Whether to write products in the form that XLA's CPU back end is fastest at.

    Elsewhere the plain form is used.
    """
    return jax.default_backend() == "cpu"


class Constant(nnx.Variable):
    """An array of the network that is not trained and not updated."""


class Data(NamedTuple):
    """Properties of the data that a network needs when it is made.

    examples: training exemplars. They give the shape, and embedders fixed in advance are fitted to
        them.
    num_classes: number of classes; exemplars that are symbols are the integers below it.
    """

    examples: Shaped[np.ndarray, "example *shape"]
    num_classes: int


@dataclass(frozen=True)
class Layers:
    """Makes the layers of a network, from one stream of random numbers.

    dtype: type of products. Parameters, sums, norms and whatever a product of lower precision is
        added to are float32.
    """

    rngs: nnx.Rngs
    dtype: type = jnp.float32

    def linear(self, in_dim: int, out_dim: int, bias: bool = True) -> nnx.Linear:
        return nnx.Linear(
            in_dim,
            out_dim,
            use_bias=bias,
            kernel_init=LINEAR_INIT,
            dtype=self.dtype,
            rngs=self.rngs,
        )

    def conv(
        self, c_in: int, c_out: int, size: int, stride: int = 1, bias: bool = True
    ) -> nnx.Conv:
        """A two-dimensional convolution, padded so that a stride of 1 keeps the size."""
        return nnx.Conv(
            c_in,
            c_out,
            (size, size),
            (stride, stride),
            use_bias=bias,
            kernel_init=LINEAR_INIT,
            dtype=self.dtype,
            rngs=self.rngs,
        )

    def layer_norm(self, width: int) -> nnx.LayerNorm:
        return nnx.LayerNorm(width, epsilon=1e-5, rngs=self.rngs)

    def param(self, init: nnx.Initializer, *shape: int) -> nnx.Param:
        """A trained array of any shape, float32."""
        return nnx.Param(init(self.rngs.params(), shape, jnp.float32))


def sinusoidal_positions(
    num_tokens: int, width: int, max_time: float
) -> Float[Array, "token width"]:
    """Sines, then cosines, of position / max_time ** (2 i / width) (Vaswani et al. 2017).

    max_time: the longest wavelength over 2 pi; 30 in Chan et al. 2022.
    """
    angles = _angles(num_tokens, width, max_time)
    return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)


def rotate(
    x: Float[Array, "batch token head dim"], max_time: float
) -> Float[Array, "batch token head dim"]:
    """Rotary positions: entries i and i + dim / 2 turned by position / max_time ** (2 i / dim).

    Products of two rotated vectors depend on the difference of their positions (Su et al. 2021,
    arXiv 2104.09864).
    """
    angles = _angles(x.shape[1], x.shape[3], max_time)[:, None]
    first, second = jnp.split(x, 2, axis=-1)
    cos, sin = jnp.cos(angles).astype(x.dtype), jnp.sin(angles).astype(x.dtype)
    return jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)


def _angles(num_tokens: int, dim: int, max_time: float) -> Float[Array, "token half"]:
    frequencies = max_time ** (-jnp.arange(dim // 2) / (dim // 2))
    return jnp.arange(num_tokens)[:, None] * frequencies


def project(
    layer: nnx.Linear, x: Float[Array, "batch token width"], num_parts: int, query_only: bool
) -> list[Array]:
    """Parts of a fused layer's output; the first has the last token alone if `query_only`."""
    if not query_only:
        return jnp.split(layer(x), num_parts, axis=-1)
    kernel = layer.kernel[...].astype(layer.dtype)
    x, size = x.astype(layer.dtype), kernel.shape[1] // num_parts
    first, others = x[:, -1:] @ kernel[:, :size], x @ kernel[:, size:]
    if layer.bias is not None:
        bias = layer.bias[...].astype(layer.dtype)
        first, others = first + bias[:size], others + bias[size:]
    return [first, *jnp.split(others, num_parts - 1, axis=-1)]


def project_heads(
    layer: nnx.Linear,
    x: Float[Array, "batch token width"],
    num_heads: int,
    query_only: bool,
    sites: Sites,
) -> Iterator[Float[Array, "batch token head dim"]]:
    """Queries, keys and values of all heads, at the sites `query`, `key` and `value`.

    Queries are those of the last token alone if `query_only`.
    """
    parts = project(layer, x, 3, query_only)
    for name, part in zip(("query", "key", "value"), parts, strict=True):
        yield sites.site(name, split_heads(part, num_heads))


def split_heads(
    x: Float[Array, "batch token width"], num_heads: int
) -> Float[Array, "batch token head dim"]:
    return x.reshape(*x.shape[:2], num_heads, x.shape[2] // num_heads)


def causal_mask(num_out: int, num_tokens: int) -> jax.Array:
    """[out, token]: whether each of the last `num_out` tokens may see each token."""
    return jnp.tril(jnp.ones((num_out, num_tokens), bool), num_tokens - num_out)
