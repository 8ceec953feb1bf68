"""The residual image encoder of Chan et al. 2022: bottleneck blocks, batch norm, mean pooling.

ResNet v1 (He et al. 2016) with blocks (2, 2, 2, 2) of channels (16, 32, 32, 64): 22,176
trained parameters for one input channel.
"""

import jax
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from icl.config import ResNetEmbedder
from icl.models.layers import LINEAR_INIT

STAGES = ((16, 1), (32, 2), (32, 2), (64, 2))  # channels, stride of the first block
STEM_CHANNELS = 64


class ConvNorm(nnx.Module):
    """A convolution without bias, then batch norm."""

    def __init__(self, c_in: int, c_out: int, size: int, stride: int, rngs: nnx.Rngs):
        self.conv = nnx.Conv(
            c_in,
            c_out,
            (size, size),
            (stride, stride),
            use_bias=False,
            kernel_init=LINEAR_INIT,
            rngs=rngs,
        )
        self.norm = nnx.BatchNorm(c_out, momentum=0.9, epsilon=1e-5, rngs=rngs)

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h2 w2 c2"]:
        return self.norm(self.conv(x))


class Bottleneck(nnx.Module):
    """1 x 1 to a quarter of the channels, 3 x 3, 1 x 1 back; the first of a stage projects."""

    def __init__(self, c_in: int, c_out: int, stride: int, project: bool, rngs: nnx.Rngs):
        self.reduce = ConvNorm(c_in, c_out // 4, 1, 1, rngs)
        self.middle = ConvNorm(c_out // 4, c_out // 4, 3, stride, rngs)
        self.expand = ConvNorm(c_out // 4, c_out, 1, 1, rngs)
        self.project = ConvNorm(c_in, c_out, 1, stride, rngs) if project else None

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h2 w2 c2"]:
        shortcut = x if self.project is None else self.project(x)
        x = jax.nn.relu(self.reduce(x))
        x = jax.nn.relu(self.middle(x))
        return jax.nn.relu(self.expand(x) + shortcut)


class ResNet(nnx.Module):
    """The width of the network must be the channels of the last stage."""

    def __init__(
        self,
        config: ResNetEmbedder,
        examples: Float[np.ndarray, "example *shape"],
        width: int,
        rngs: nnx.Rngs,
    ):
        self.stem = ConvNorm(1, STEM_CHANNELS, 7, 2, rngs)
        c_in = STEM_CHANNELS
        for i, (channels, stride) in enumerate(STAGES):
            setattr(self, f"stage{i}_0", Bottleneck(c_in, channels, stride, True, rngs))
            setattr(self, f"stage{i}_1", Bottleneck(channels, channels, 1, False, rngs))
            c_in = channels

    def __call__(self, x: Float[Array, "n h w"]) -> Float[Array, "n c"]:
        x = jax.nn.relu(self.stem(x[..., None]))
        x = nnx.max_pool(x, (3, 3), (2, 2), "SAME")
        for i in range(len(STAGES)):
            x = getattr(self, f"stage{i}_1")(getattr(self, f"stage{i}_0")(x))
        return x.mean(axis=(1, 2))
