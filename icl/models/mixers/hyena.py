"""Hyena: gated convolutions as long as the sequence (Poli et al. 2023)."""

import math

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from icl.config.networks import HyenaConfig
from icl.models.convolution import ShortConvolution, long_convolution
from icl.models.layers import Layers
from icl.types import Aux

# What a filter sees of a lag, and how it falls off, is the same in sequences of every length: the
# paper's depends on the length, and a longer sequence would have been filtered otherwise.
WAVELENGTHS = np.geomspace(3, 1024, 8)  # of its features, in tokens
FASTEST, SLOWEST = 10, 1024  # tokens until the first and the last channel's filter fell to 1 %


class Mixer(nnx.Module):
    """y = gate * (filter conv y), `order` times, from a value; gates and value of the token.

    Each output depends on no later token, not even by rounding: see `long_convolution`. Without
    the way past each filter in the authors' code: the filter's value at lag 0 is one.
    """

    def __init__(self, config: HyenaConfig, make: Layers):
        width, self.order, self.dtype = config.width, config.order, make.dtype
        self.value = Projection(width, config.conv_size, make)
        for i in range(config.order):
            setattr(self, f"filter{i}", Filter(width, config.filter_dim, make))
            setattr(self, f"gate{i}", Projection(width, config.conv_size, make))
        self.out = make.linear(width, width)

    def __call__(
        self, x: Float[Array, "batch token width"], query_only: bool
    ) -> tuple[Float[Array, "batch out width"], Aux]:
        y = self.value(x, query_only=False)
        for i in range(self.order):
            only_last = query_only and i == self.order - 1
            gate = getattr(self, f"gate{i}")(x, only_last)
            kernel = getattr(self, f"filter{i}")(x.shape[1])
            y = gate * long_convolution(kernel, y, only_last, self.dtype)
        return self.out(y), {}


class Projection(nnx.Module):
    """A linear map of each token, then a short convolution."""

    def __init__(self, width: int, conv_size: int, make: Layers):
        self.conv_size = conv_size
        self.linear = make.linear(width, width)
        self.conv = ShortConvolution(width, conv_size, make)

    def __call__(
        self, x: Float[Array, "batch token width"], query_only: bool
    ) -> Float[Array, "batch out width"]:
        if query_only:
            return self.conv(self.linear(x[:, -self.conv_size :]))[:, -1:]
        return self.conv(self.linear(x))


class Filter(nnx.Module):
    """A small network from the lag to a number for each channel, times an exponential window.

    Its products are float32: they are few, and make the filter of all sequences.
    """

    def __init__(self, width: int, hidden_dim: int, make: Layers):
        float32 = Layers(make.rngs)
        self.width = width
        self.input = float32.linear(2 * len(WAVELENGTHS), hidden_dim)
        self.hidden = float32.linear(hidden_dim, hidden_dim)
        self.out = float32.linear(hidden_dim, width, bias=False)

    def __call__(self, num_lags: int) -> Float[Array, "lag width"]:
        angles = 2 * math.pi * np.arange(num_lags)[:, None] / WAVELENGTHS
        features = np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)
        hidden = jnp.sin(self.input(features))
        return self.out(jnp.sin(self.hidden(hidden))) * _windows(num_lags, self.width)


def _windows(num_lags: int, width: int) -> Float[np.ndarray, "lag width"]:
    """exp(-rate lag), its squares over all lags summing up to 1.

    Far into a sequence all channels so start equally large. The rates are the channels' own, evenly
    spaced in the logarithm.
    """
    rates = math.log(100) / np.geomspace(FASTEST, SLOWEST, width)
    windows = np.exp(-rates * np.arange(num_lags)[:, None]) * np.sqrt(-np.expm1(-2 * rates))
    return windows.astype(np.float32)
