"""The residual image encoder of Chan et al. 2022: bottleneck blocks, batch norm, mean pooling.

ResNet v1 (He et al. 2016) with blocks (2, 2, 2, 2) of channels (16, 32, 32, 64): 22,176
trained parameters for one input channel.
"""

import jax
from flax import nnx
from jaxtyping import Array, Float

from icl.config.embedders import ResNetEmbedder
from icl.models.images import convolve, max_pool, with_channels
from icl.models.layers import Data, Layers

STAGES = ((16, 1), (32, 2), (32, 2), (64, 2))  # channels, stride of the first block
STEM_CHANNELS = 64


class ConvNorm(nnx.Module):
    """A convolution without bias, then batch norm."""

    def __init__(self, c_in: int, c_out: int, size: int, stride: int, layers: Layers):
        self.conv = layers.conv(c_in, c_out, size, stride, bias=False)
        self.norm = nnx.BatchNorm(c_out, momentum=0.9, epsilon=1e-5, rngs=layers.rngs)

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h2 w2 c2"]:
        return self.norm(convolve(self.conv, x))


class Bottleneck(nnx.Module):
    """Convolutions 1 x 1 to a quarter of the channels, 3 x 3, and 1 x 1 back, around a shortcut.

    The shortcut of the first block of a stage is a projection.
    """

    def __init__(self, c_in: int, c_out: int, stride: int, project: bool, layers: Layers):
        self.reduce = ConvNorm(c_in, c_out // 4, 1, 1, layers)
        self.middle = ConvNorm(c_out // 4, c_out // 4, 3, stride, layers)
        self.expand = ConvNorm(c_out // 4, c_out, 1, 1, layers)
        self.project = ConvNorm(c_in, c_out, 1, stride, layers) if project else None

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h2 w2 c2"]:
        shortcut = x if self.project is None else self.project(x)
        x = jax.nn.relu(self.reduce(x))
        x = jax.nn.relu(self.middle(x))
        return jax.nn.relu(self.expand(x) + shortcut)


class ResNet(nnx.Module):
    """The encoder. A linear map follows unless the width is that of its last channels."""

    def __init__(self, config: ResNetEmbedder, data: Data, width: int, layers: Layers):
        channels_in = with_channels(data.examples).shape[-1]
        self.stem = ConvNorm(channels_in, STEM_CHANNELS, 7, 2, layers)
        c_in = STEM_CHANNELS
        for i, (channels, stride) in enumerate(STAGES):
            setattr(self, f"stage{i}_0", Bottleneck(c_in, channels, stride, True, layers))
            setattr(self, f"stage{i}_1", Bottleneck(channels, channels, 1, False, layers))
            c_in = channels
        self.out = layers.linear(c_in, width) if width != c_in else None

    def __call__(self, x: Float[Array, "n h w *channel"]) -> Float[Array, "n c"]:
        x = jax.nn.relu(self.stem(with_channels(x)))
        x = max_pool(x, 3, 2)
        for i in range(len(STAGES)):
            x = getattr(self, f"stage{i}_1")(getattr(self, f"stage{i}_0")(x))
        x = x.mean(axis=(1, 2))
        return x if self.out is None else self.out(x)
