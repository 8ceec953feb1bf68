"""Hyena: gated convolutions as long as the sequence (Poli et al. 2023)."""

import math

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from icl.config.networks import HyenaConfig
from icl.models.convolution import ShortConvolution, long_convolution
from icl.models.layers import Layers
from icl.models.sites import Sites

# The features of a lag and the fall of a filter are the same for sequences of every length. In the
# paper they depend on the length, so that a longer sequence is filtered differently.
WAVELENGTHS = np.geomspace(3, 1024, 8)  # of the features of a lag, in tokens
FASTEST, SLOWEST = 10, 1024  # tokens after which the first and last channel's filter is at 1 %


class Mixer(nnx.Module):
    """y = gate * (filter conv y), `order` times, starting from a value; gates and value are
    projections of the token.

    An output depends on no later token, not even by rounding: see `long_convolution`. The bypass of
    each filter in the authors' code is left out: the filter's value at lag 0 does the same.

    Sites: `value`, the first y; `convolved0`, `gate0`, ...: filter conv y and gate of each time.
    The last time they are those of the last token alone if `query_only`.
    """

    def __init__(self, config: HyenaConfig, layers: Layers):
        width, self.order, self.dtype = config.width, config.order, layers.dtype
        self.value = Projection(width, config.conv_size, layers)
        for i in range(config.order):
            setattr(self, f"filter{i}", Filter(width, config.filter_dim, layers))
            setattr(self, f"gate{i}", Projection(width, config.conv_size, layers))
        self.out = layers.linear(width, width)

    def __call__(
        self, x: Float[Array, "batch token width"], query_only: bool, sites: Sites
    ) -> Float[Array, "batch out width"]:
        y = sites.site("value", self.value(x, query_only=False))
        for i in range(self.order):
            only_last = query_only and i == self.order - 1
            gate = sites.site(f"gate{i}", getattr(self, f"gate{i}")(x, only_last))
            kernel = getattr(self, f"filter{i}")(x.shape[1])
            convolved = long_convolution(kernel, y, only_last, self.dtype)
            y = gate * sites.site(f"convolved{i}", convolved)
        return self.out(y)


class Projection(nnx.Module):
    """A linear map of each token, then a short convolution."""

    def __init__(self, width: int, conv_size: int, layers: Layers):
        self.conv_size = conv_size
        self.linear = layers.linear(width, width)
        self.conv = ShortConvolution(width, conv_size, layers)

    def __call__(
        self, x: Float[Array, "batch token width"], query_only: bool
    ) -> Float[Array, "batch out width"]:
        if query_only:
            return self.conv(self.linear(x[:, -self.conv_size :]))[:, -1:]
        return self.conv(self.linear(x))


class Filter(nnx.Module):
    """A small network from the lag to a number for each channel, times an exponential window.

    Its products are float32: they are few, and one filter serves all sequences.
    """

    def __init__(self, width: int, hidden_dim: int, layers: Layers):
        float32 = Layers(layers.rngs)
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
    """exp(-rate lag), scaled so that its squares over all lags sum to 1.

    All channels therefore start equally large far into a sequence. Each channel has its own rate;
    rates are evenly spaced in the logarithm.
    """
    rates = math.log(100) / np.geomspace(FASTEST, SLOWEST, width)
    windows = np.exp(-rates * np.arange(num_lags)[:, None]) * np.sqrt(-np.expm1(-2 * rates))
    return windows.astype(np.float32)
