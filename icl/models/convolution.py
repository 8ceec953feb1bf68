"""Causal convolutions of single channels: short ones, and those as long as the sequence."""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from icl.models.layers import LINEAR_INIT, Layers


class ShortConvolution(nnx.Module):
    """A convolution over a token and the `size - 1` before it, padded with zeros; float32."""

    def __init__(self, channels: int, size: int, layers: Layers):
        self.kernel = layers.param(LINEAR_INIT, size, channels)
        self.bias = layers.param(nnx.initializers.zeros, channels)

    def __call__(
        self, x: Float[Array, "batch token channel"]
    ) -> Float[Array, "batch token channel"]:
        kernel, num_tokens = self.kernel[...], x.shape[1]
        padded = jnp.pad(x.astype(jnp.float32), ((0, 0), (len(kernel) - 1, 0), (0, 0)))
        out = self.bias[...]
        for i, weights in enumerate(kernel):
            out += padded[:, i : i + num_tokens] * weights
        return out


def long_convolution(
    kernel: Float[Array, "token channel"],
    x: Float[Array, "batch token channel"],
    query_only: bool,
    dtype: type,
) -> Float[Array, "batch out channel"]:
    """Sum over tokens s <= t of kernel_{t - s} x_s, for the last t alone if `query_only`.

    Each channel is one product with a Toeplitz matrix, quadratic in the length. A Fourier transform
    would take n log n, but each of its outputs is a sum over all tokens, in which later tokens
    cancel only up to rounding.

    dtype: type of products; they are summed in float32.
    """
    kernel, x = kernel.astype(dtype), x.astype(dtype)
    if query_only:
        out = jnp.einsum("sc,bsc->bc", kernel[::-1], x, preferred_element_type=jnp.float32)
        return out[:, None]
    return jnp.einsum("cst,bsc->btc", _toeplitz(kernel), x, preferred_element_type=jnp.float32)


def _toeplitz(kernel: Float[Array, "token channel"]) -> Float[Array, "channel token token"]:
    """[c, s, t]: kernel_{t - s} of channel c, and 0 where t < s.

    Rows are slices of the kernel followed by zeros, repeated; each starts one number before the row
    above. The gradient is then a sum; that of an indexed lookup would be a scatter.
    """
    num_tokens, channels = kernel.shape
    period = jnp.pad(kernel.T, ((0, 0), (0, num_tokens)))
    rows = jnp.broadcast_to(period[:, None], (channels, num_tokens, 2 * num_tokens))
    flat = rows.reshape(channels, -1)[:, : num_tokens * (2 * num_tokens - 1)]
    return flat.reshape(channels, num_tokens, 2 * num_tokens - 1)[:, :, :num_tokens]
