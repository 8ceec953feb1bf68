"""Convolution and pooling of images, in the form that the device is fastest at.

XLA's CPU back end is slow at windows and fast at matrix products. On a CPU the pixels under a
kernel are therefore laid side by side, and a convolution is one product: up to 25 times as fast for
training a first layer of 7 x 7 (python -m benchmarks.levers). Accelerators have their own kernels.
"""

from typing import Any

import jax.numpy as jnp
from flax import nnx
from jax import lax
from jaxtyping import Array, Float

from icl.models.layers import on_cpu


def with_channels(images: Float[Any, "n h w *c"]) -> Float[Any, "n h w c"]:
    """The images, with one channel where they have no axis of channels."""
    return images if images.ndim == 4 else images[..., None]


def convolve(layer: nnx.Conv, x: Float[Array, "n h w c"]) -> Float[Array, "n h2 w2 c2"]:
    """The layer's output, padded so that a stride of 1 keeps the size."""
    return as_product(layer, x) if on_cpu() else layer(x)


def max_pool(x: Float[Array, "n h w c"], size: int, stride: int) -> Float[Array, "n h2 w2 c"]:
    """The largest pixel under each window; of equal pixels the first gets the gradient."""
    if on_cpu():
        return as_maxima(x, size, stride)
    return nnx.max_pool(x, (size, size), (stride, stride), "SAME")


def as_product(layer: nnx.Conv, x: Float[Array, "n h w c"]) -> Float[Array, "n h2 w2 c2"]:
    """A convolution as one matrix product."""
    kernel = layer.kernel[...].astype(layer.dtype)
    height, width, _, channels = kernel.shape
    down, along = layer.strides
    x = x.astype(layer.dtype)
    x = jnp.concatenate(_under_windows(x, height, down, 1, 0.0), axis=-1)
    x = jnp.concatenate(_under_windows(x, width, along, 2, 0.0), axis=-1)
    out = x @ kernel.transpose(1, 0, 2, 3).reshape(-1, channels)
    return out if layer.bias is None else out + layer.bias[...].astype(layer.dtype)


def as_maxima(x: Float[Array, "n h w c"], size: int, stride: int) -> Float[Array, "n h2 w2 c"]:
    """Pooling as repeated maxima of two pixels."""
    # Columns first: of equal pixels, the one in the first row then stays, as on other devices.
    for axis in (2, 1):
        x, *others = _under_windows(x, size, stride, axis, -jnp.inf)
        for other in others:
            x = jnp.where(x >= other, x, other)
    return x


def _under_windows(
    x: Float[Array, "n h w c"], size: int, stride: int, axis: int, outside: float
) -> list[Array]:
    """Pixels under the first place of every window along an axis, under the second, and so on."""
    count = -(-x.shape[axis] // stride)
    missing = max((count - 1) * stride + size - x.shape[axis], 0)
    padding = [(0, 0)] * x.ndim
    padding[axis] = (missing // 2, missing - missing // 2)
    padded = jnp.pad(x, padding, constant_values=outside)
    last = (count - 1) * stride + 1
    return [lax.slice_in_dim(padded, i, i + last, stride, axis) for i in range(size)]
