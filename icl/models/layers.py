"""The pieces networks are built from, with the initialisation of the papers."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

# Variance 1 / fan_in, truncated at two standard deviations: the linear initialisation of
# Chan et al. 2022.
LINEAR_INIT = nnx.initializers.variance_scaling(1.0, "fan_in", "truncated_normal")


class Frozen(nnx.Variable):
    """An array of the network that is not trained and not updated."""


def linear(in_dim: int, out_dim: int, rngs: nnx.Rngs) -> nnx.Linear:
    """A linear map with bias."""
    return nnx.Linear(in_dim, out_dim, kernel_init=LINEAR_INIT, rngs=rngs)


def sinusoidal_positions(
    num_tokens: int, width: int, max_time: float
) -> Float[Array, "token width"]:
    """Sines, then cosines, of position / max_time ** (2 i / width) (Vaswani et al. 2017).

    max_time: the longest wavelength over 2 pi; 30 in Chan et al. 2022.
    """
    frequencies = max_time ** (-jnp.arange(width // 2) / (width // 2))
    angles = jnp.arange(num_tokens)[:, None] * frequencies
    return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)


class CausalAttention(nnx.Module):
    """Multi-head softmax attention in which a token sees itself and what came before."""

    def __init__(self, width: int, num_heads: int, rngs: nnx.Rngs):
        self.num_heads = num_heads
        self.qkv = linear(width, 3 * width, rngs)
        self.out = linear(width, width, rngs)

    def __call__(
        self, x: Float[Array, "batch token width"], query_only: bool
    ) -> tuple[Float[Array, "batch out width"], Float[Array, "batch head out token"]]:
        """The attention's output and its pattern; for the last token alone if `query_only`."""
        width = x.shape[-1]
        if query_only:
            kernel, bias = self.qkv.kernel[...], self.qkv.bias[...]
            q = x[:, -1:] @ kernel[:, :width] + bias[:width]
            k, v = jnp.split(x @ kernel[:, width:] + bias[width:], 2, axis=-1)
        else:
            q, k, v = jnp.split(self.qkv(x), 3, axis=-1)
        q, k, v = (
            a.reshape(*a.shape[:2], self.num_heads, width // self.num_heads) for a in (q, k, v)
        )
        scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) / jnp.sqrt(q.shape[-1])
        num_out, num_tokens = scores.shape[-2:]
        visible = jnp.tril(jnp.ones((num_out, num_tokens), bool), num_tokens - num_out)
        pattern = jax.nn.softmax(jnp.where(visible, scores, -jnp.inf), axis=-1)
        mixed = jnp.einsum("bhqk,bkhd->bqhd", pattern, v)
        return self.out(mixed.reshape(*mixed.shape[:2], width)), pattern
