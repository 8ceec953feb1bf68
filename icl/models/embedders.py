"""Embedders map raw exemplars to vectors of the network's width.

An embedder is made from (its config, `Data`, width, `Layers`) and called with a batch of exemplars.
If exemplars are symbols, a table has a row for each class.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int

from icl.config.embedders import (
    ConvEmbedder,
    IdentityEmbedder,
    LinearEmbedder,
    MLPEmbedder,
    OneHotEmbedder,
    PCAEmbedder,
    TableEmbedder,
)
from icl.errors import UserError
from icl.models.images import convolve, with_channels
from icl.models.layers import Constant, Data, Layers
from icl.models.resnet import ResNet

# Above this size only the leading eigenvectors are computed, iteratively.
EXACT_PIXELS = 2048

Examples = Float[np.ndarray, "example *shape"]


def _flatten(x: Float[Array, "n *shape"]) -> Float[Array, "n pixel"]:
    return x.reshape(len(x), -1)


class Standardize(nnx.Module):
    """Subtracts the mean and divides by the deviation of all entries of the examples: two numbers.

    Without it the embedding of mostly empty images is small beside the positions added to it, and
    a network learns what images have in common later than the label of each.
    """

    def __init__(self, examples: Examples):
        self.mean = Constant(jnp.float32(examples.mean()))
        self.deviation = Constant(jnp.float32(examples.std() or 1.0))

    def __call__(self, x: Float[Array, "n *shape"]) -> Float[Array, "n *shape"]:
        return (x - self.mean[...]) / self.deviation[...]


class Linear(nnx.Module):
    """A linear map of the raw exemplar."""

    def __init__(self, config: LinearEmbedder, data: Data, width: int, layers: Layers):
        self.out = layers.linear(int(np.prod(data.examples.shape[1:])), width)

    def __call__(self, x: Float[Array, "n *shape"]) -> Float[Array, "n width"]:
        return self.out(_flatten(x))


class MLP(nnx.Module):
    """Standardised numbers, a hidden layer of ReLU units, then a linear map."""

    def __init__(self, config: MLPEmbedder, data: Data, width: int, layers: Layers):
        self.standardize = Standardize(data.examples)
        self.hidden = layers.linear(int(np.prod(data.examples.shape[1:])), config.hidden_dim)
        self.out = layers.linear(config.hidden_dim, width)

    def __call__(self, x: Float[Array, "n *shape"]) -> Float[Array, "n width"]:
        return self.out(jax.nn.relu(self.hidden(_flatten(self.standardize(x)))))


def principal_components(
    examples: Examples, count: int
) -> tuple[Float[np.ndarray, " pixel"], Float[np.ndarray, "pixel count"]]:
    """The mean and the leading eigenvectors of the covariance, largest first.

    Raises UserError if the examples do not have so many.
    """
    flat = examples.reshape(len(examples), -1).astype(np.float64)
    if count > min(flat.shape):
        raise UserError(
            f"model.embedder.num_components = {count}; allowed: at most {min(flat.shape)}, the "
            "smaller of an exemplar's size and the number of exemplars of training classes"
        )
    mean = flat.mean(axis=0)
    covariance = np.atleast_2d(np.cov(flat, rowvar=False))
    if len(mean) <= EXACT_PIXELS or count == len(mean):
        _, vectors = np.linalg.eigh(covariance)
    else:
        # Imported here because it takes half a second to load and few runs need it.
        from scipy.sparse.linalg import eigsh

        _, vectors = eigsh(covariance, count, v0=np.ones(len(mean)))
    return mean.astype(np.float32), vectors[:, : -count - 1 : -1].astype(np.float32)


class PCA(nnx.Module):
    """Frozen principal components of the examples, then a linear map."""

    def __init__(self, config: PCAEmbedder, data: Data, width: int, layers: Layers):
        mean, components = principal_components(data.examples, config.num_components)
        self.mean = Constant(jnp.asarray(mean))
        self.components = Constant(jnp.asarray(components))
        self.out = layers.linear(config.num_components, width)

    def __call__(self, x: Float[Array, "n *shape"]) -> Float[Array, "n width"]:
        return self.out((_flatten(x) - self.mean[...]) @ self.components[...])


class Conv(nnx.Module):
    """Standardised pixels, strided 3 x 3 convolutions with ReLU, then a linear map."""

    def __init__(self, config: ConvEmbedder, data: Data, width: int, layers: Layers):
        self.standardize = Standardize(data.examples)
        _, height, breadth, c_in = with_channels(data.examples).shape
        self.num_layers = len(config.channels)
        for i, c_out in enumerate(config.channels):
            setattr(self, f"conv{i}", layers.conv(c_in, c_out, 3, stride=2))
            height, breadth, c_in = -(-height // 2), -(-breadth // 2), c_out
        self.out = layers.linear(height * breadth * config.channels[-1], width)

    def __call__(self, x: Float[Array, "n *shape"]) -> Float[Array, "n width"]:
        x = with_channels(self.standardize(x))
        for i in range(self.num_layers):
            x = jax.nn.relu(convolve(getattr(self, f"conv{i}"), x))
        return self.out(_flatten(x))


class OneHot(nnx.Module):
    """A linear map of one-hot vectors, computed as a lookup of the row of each symbol."""

    def __init__(self, config: OneHotEmbedder, data: Data, width: int, layers: Layers):
        self.out = layers.linear(data.num_classes, width)

    def __call__(self, x: Int[Array, " n"]) -> Float[Array, "n width"]:
        return self.out.kernel[...][x] + self.out.bias[...]


class Table(nnx.Module):
    """A trained vector for each symbol."""

    def __init__(self, config: TableEmbedder, data: Data, width: int, layers: Layers):
        init = nnx.initializers.normal(config.init_std)
        self.table = nnx.Embed(data.num_classes, width, embedding_init=init, rngs=layers.rngs)

    def __call__(self, x: Int[Array, " n"]) -> Float[Array, "n width"]:
        return self.table(x)


class Identity(nnx.Module):
    """The exemplar's own numbers, as many as a token has room for."""

    def __init__(self, config: IdentityEmbedder, data: Data, width: int, layers: Layers):
        size = int(np.prod(data.examples.shape[1:]))
        if size != width:
            raise UserError(
                f"model.embedder.kind = identity; allowed: other kinds, as an exemplar has {size} "
                f"numbers and the model's tokens have room for {width}"
            )

    def __call__(self, x: Float[Array, "n *shape"]) -> Float[Array, "n width"]:
        return _flatten(x)


EMBEDDERS = {
    "linear": Linear,
    "mlp": MLP,
    "pca": PCA,
    "conv": Conv,
    "resnet": ResNet,
    "one_hot": OneHot,
    "table": Table,
    "identity": Identity,
}
