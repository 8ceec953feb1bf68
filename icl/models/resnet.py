"""The residual image encoder of Chan et al. 2022: bottleneck blocks, batch norm, mean pooling.

ResNet v1 (He et al. 2016) with blocks (2, 2, 2, 2) of channels (16, 32, 32, 64): 22,176
trained parameters for one input channel.
"""

import jax
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from icl.config.embedders import ResNetEmbedder
from icl.models.images import convolve, max_pool
from icl.models.layers import Layers

STAGES = ((16, 1), (32, 2), (32, 2), (64, 2))  # channels, stride of the first block
STEM_CHANNELS = 64


class ConvNorm(nnx.Module):
    """A convolution without bias, then batch norm."""

    def __init__(self, c_in: int, c_out: int, size: int, stride: int, make: Layers):
        self.conv = make.conv(c_in, c_out, size, stride, bias=False)
        self.norm = nnx.BatchNorm(c_out, momentum=0.9, epsilon=1e-5, rngs=make.rngs)

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h2 w2 c2"]:
        return self.norm(convolve(self.conv, x))


class Bottleneck(nnx.Module):
    """1 x 1 to a quarter of the channels, 3 x 3, 1 x 1 back; the first of a stage projects."""

    def __init__(self, c_in: int, c_out: int, stride: int, project: bool, make: Layers):
        self.reduce = ConvNorm(c_in, c_out // 4, 1, 1, make)
        self.middle = ConvNorm(c_out // 4, c_out // 4, 3, stride, make)
        self.expand = ConvNorm(c_out // 4, c_out, 1, 1, make)
        self.project = ConvNorm(c_in, c_out, 1, stride, make) if project else None

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h2 w2 c2"]:
        shortcut = x if self.project is None else self.project(x)
        x = jax.nn.relu(self.reduce(x))
        x = jax.nn.relu(self.middle(x))
        return jax.nn.relu(self.expand(x) + shortcut)


class ResNet(nnx.Module):
    """Its last channels are the embedding where they are as many as asked for, as published;
    else a linear map follows."""

    def __init__(
        self,
        config: ResNetEmbedder,
        examples: Float[np.ndarray, "example *shape"],
        width: int,
        num_classes: int,
        make: Layers,
    ):
        self.stem = ConvNorm(1, STEM_CHANNELS, 7, 2, make)
        c_in = STEM_CHANNELS
        for i, (channels, stride) in enumerate(STAGES):
            setattr(self, f"stage{i}_0", Bottleneck(c_in, channels, stride, True, make))
            setattr(self, f"stage{i}_1", Bottleneck(channels, channels, 1, False, make))
            c_in = channels
        self.out = make.linear(c_in, width) if width != c_in else None

    def __call__(self, x: Float[Array, "n h w"]) -> Float[Array, "n c"]:
        x = jax.nn.relu(self.stem(x[..., None]))
        x = max_pool(x, 3, 2)
        for i in range(len(STAGES)):
            x = getattr(self, f"stage{i}_1")(getattr(self, f"stage{i}_0")(x))
        x = x.mean(axis=(1, 2))
        return x if self.out is None else self.out(x)
