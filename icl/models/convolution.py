"""Causal convolutions, each channel by itself: short ones, and those as long as the sequence."""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from icl.models.layers import LINEAR_INIT, Layers


class ShortConvolution(nnx.Module):
    """Over a token and the `size - 1` before it, in float32; before the first are zeros."""

    def __init__(self, channels: int, size: int, make: Layers):
        self.kernel = make.param(LINEAR_INIT, size, channels)
        self.bias = make.param(nnx.initializers.zeros, channels)

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
    """Sum over tokens s <= t of kernel_{t - s} x_s; for the last t alone if `query_only`.

    One product with a Toeplitz matrix for each channel, quadratic in the length. A Fourier
    transform would be n log n, but each of its outputs is a sum over all tokens, in which the
    later ones cancel only up to rounding.

    dtype: of products; they are summed in float32.
    """
    kernel, x = kernel.astype(dtype), x.astype(dtype)
    if query_only:
        out = jnp.einsum("sc,bsc->bc", kernel[::-1], x, preferred_element_type=jnp.float32)
        return out[:, None]
    return jnp.einsum("cst,bsc->btc", _toeplitz(kernel), x, preferred_element_type=jnp.float32)


def _toeplitz(kernel: Float[Array, "token channel"]) -> Float[Array, "channel token token"]:
    """[c, s, t]: kernel_{t - s} of channel c, and 0 where t < s.

    Rows are cut from the kernel and zeros, repeated: each begins one number before the last one
    did. Its gradient is a sum, where that of looking numbers up would be a scatter.
    """
    num_tokens, channels = kernel.shape
    period = jnp.pad(kernel.T, ((0, 0), (0, num_tokens)))
    rows = jnp.broadcast_to(period[:, None], (channels, num_tokens, 2 * num_tokens))
    flat = rows.reshape(channels, -1)[:, : num_tokens * (2 * num_tokens - 1)]
    return flat.reshape(channels, num_tokens, 2 * num_tokens - 1)[:, :, :num_tokens]
