"""From a raw exemplar to a vector of the network's width.

An embedder is made from (its config, example exemplars, width, number of classes, `Layers`). The
examples fix the shape, and what is fitted in advance is fitted on them; where they are symbols,
these are the whole numbers below the number of classes, and a row of a table is kept for each.
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
from icl.models.images import convolve
from icl.models.layers import Constant, Layers
from icl.models.resnet import ResNet

# Above this size only the leading eigenvectors are computed, by iteration.
EXACT_PIXELS = 2048

Examples = Float[np.ndarray, "example *shape"]


def _flatten(x: Float[Array, "n *shape"]) -> Float[Array, "n pixel"]:
    return x.reshape(len(x), -1)


class Standardize(nnx.Module):
    """Subtract the mean and divide by the deviation of all entries of the examples, two numbers.

    Without it the embedding of mostly empty images is small beside the positions it is added
    to, and what the images have in common is found later than what each is called.
    """

    def __init__(self, examples: Examples):
        self.mean = Constant(jnp.float32(examples.mean()))
        self.deviation = Constant(jnp.float32(examples.std() or 1.0))

    def __call__(self, x: Float[Array, "n *shape"]) -> Float[Array, "n *shape"]:
        return (x - self.mean[...]) / self.deviation[...]


class Linear(nnx.Module):
    def __init__(
        self,
        config: LinearEmbedder,
        examples: Examples,
        width: int,
        num_classes: int,
        make: Layers,
    ):
        self.out = make.linear(int(np.prod(examples.shape[1:])), width)

    def __call__(self, x: Float[Array, "n *shape"]) -> Float[Array, "n width"]:
        return self.out(_flatten(x))


class MLP(nnx.Module):
    def __init__(
        self,
        config: MLPEmbedder,
        examples: Examples,
        width: int,
        num_classes: int,
        make: Layers,
    ):
        self.standardize = Standardize(examples)
        self.hidden = make.linear(int(np.prod(examples.shape[1:])), config.hidden_dim)
        self.out = make.linear(config.hidden_dim, width)

    def __call__(self, x: Float[Array, "n *shape"]) -> Float[Array, "n width"]:
        return self.out(jax.nn.relu(self.hidden(_flatten(self.standardize(x)))))


def principal_components(
    examples: Examples, count: int
) -> tuple[Float[np.ndarray, " pixel"], Float[np.ndarray, "pixel count"]]:
    """The mean and the leading eigenvectors of the covariance, largest first.

    Raises UserError where so many cannot be told from the examples.
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
        # Half a second to load, which every run would wait for and few need.
        from scipy.sparse.linalg import eigsh

        _, vectors = eigsh(covariance, count, v0=np.ones(len(mean)))
    return mean.astype(np.float32), vectors[:, : -count - 1 : -1].astype(np.float32)


class PCA(nnx.Module):
    def __init__(
        self,
        config: PCAEmbedder,
        examples: Examples,
        width: int,
        num_classes: int,
        make: Layers,
    ):
        mean, components = principal_components(examples, config.num_components)
        self.mean = Constant(jnp.asarray(mean))
        self.components = Constant(jnp.asarray(components))
        self.out = make.linear(config.num_components, width)

    def __call__(self, x: Float[Array, "n *shape"]) -> Float[Array, "n width"]:
        return self.out((_flatten(x) - self.mean[...]) @ self.components[...])


class Conv(nnx.Module):
    def __init__(
        self,
        config: ConvEmbedder,
        examples: Examples,
        width: int,
        num_classes: int,
        make: Layers,
    ):
        self.standardize = Standardize(examples)
        height, breadth = examples.shape[1:]
        self.num_layers = len(config.channels)
        for i, (c_in, c_out) in enumerate(
            zip((1, *config.channels), config.channels, strict=False)
        ):
            setattr(self, f"conv{i}", make.conv(c_in, c_out, 3, stride=2))
            height, breadth = -(-height // 2), -(-breadth // 2)
        self.out = make.linear(height * breadth * config.channels[-1], width)

    def __call__(self, x: Float[Array, "n *shape"]) -> Float[Array, "n width"]:
        x = self.standardize(x)[..., None]
        for i in range(self.num_layers):
            x = jax.nn.relu(convolve(getattr(self, f"conv{i}"), x))
        return self.out(_flatten(x))


class OneHot(nnx.Module):
    """A row of the linear map for each symbol, looked up: its product with a one-hot vector."""

    def __init__(
        self,
        config: OneHotEmbedder,
        examples: Int[np.ndarray, " example"],
        width: int,
        num_classes: int,
        make: Layers,
    ):
        self.out = make.linear(num_classes, width)

    def __call__(self, x: Int[Array, " n"]) -> Float[Array, "n width"]:
        return self.out.kernel[...][x] + self.out.bias[...]


class Table(nnx.Module):
    def __init__(
        self,
        config: TableEmbedder,
        examples: Int[np.ndarray, " example"],
        width: int,
        num_classes: int,
        make: Layers,
    ):
        init = nnx.initializers.normal(config.init_std)
        self.table = nnx.Embed(num_classes, width, embedding_init=init, rngs=make.rngs)

    def __call__(self, x: Int[Array, " n"]) -> Float[Array, "n width"]:
        return self.table(x)


class Identity(nnx.Module):
    def __init__(
        self,
        config: IdentityEmbedder,
        examples: Examples,
        width: int,
        num_classes: int,
        make: Layers,
    ):
        size = int(np.prod(examples.shape[1:]))
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
