"""From a raw exemplar to a vector of the network's width.

An embedder is made from (its config, example exemplars, width, rngs); the examples fix the
shape, and those that are fitted in advance are fitted on them.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float
from scipy.sparse.linalg import eigsh

from icl.config import ConvEmbedder, LinearEmbedder, MLPEmbedder, PCAEmbedder
from icl.models.layers import LINEAR_INIT, Frozen, linear
from icl.models.resnet import ResNet

# Above this size only the leading eigenvectors are computed, by iteration.
EXACT_PIXELS = 2048

Examples = Float[np.ndarray, "example *shape"]


def _flatten(x: Float[Array, "n *shape"]) -> Float[Array, "n pixel"]:
    return x.reshape(len(x), -1)


class Standardize(nnx.Module):
    """Subtract the mean and divide by the deviation of all pixels of the examples, two numbers.

    Without it the embedding of mostly empty images is small beside the positions it is added
    to, and what the images have in common is found later than what each is called.
    """

    def __init__(self, examples: Examples):
        self.mean = Frozen(jnp.float32(examples.mean()))
        self.deviation = Frozen(jnp.float32(examples.std() or 1.0))

    def __call__(self, x: Float[Array, "n *shape"]) -> Float[Array, "n *shape"]:
        return (x - self.mean[...]) / self.deviation[...]


class Linear(nnx.Module):
    def __init__(self, config: LinearEmbedder, examples: Examples, width: int, rngs: nnx.Rngs):
        self.out = linear(int(np.prod(examples.shape[1:])), width, rngs)

    def __call__(self, x: Float[Array, "n *shape"]) -> Float[Array, "n width"]:
        return self.out(_flatten(x))


class MLP(nnx.Module):
    def __init__(self, config: MLPEmbedder, examples: Examples, width: int, rngs: nnx.Rngs):
        self.standardize = Standardize(examples)
        self.hidden = linear(int(np.prod(examples.shape[1:])), config.hidden_dim, rngs)
        self.out = linear(config.hidden_dim, width, rngs)

    def __call__(self, x: Float[Array, "n *shape"]) -> Float[Array, "n width"]:
        return self.out(jax.nn.relu(self.hidden(_flatten(self.standardize(x)))))


def principal_components(
    examples: Examples, count: int
) -> tuple[Float[np.ndarray, " pixel"], Float[np.ndarray, "pixel count"]]:
    """The mean and the leading eigenvectors of the covariance, largest first."""
    flat = examples.reshape(len(examples), -1).astype(np.float64)
    mean = flat.mean(axis=0)
    covariance = np.cov(flat, rowvar=False)
    if len(mean) <= EXACT_PIXELS:
        _, vectors = np.linalg.eigh(covariance)
    else:
        _, vectors = eigsh(covariance, count, v0=np.ones(len(mean)))
    return mean.astype(np.float32), vectors[:, : -count - 1 : -1].astype(np.float32)


class PCA(nnx.Module):
    def __init__(self, config: PCAEmbedder, examples: Examples, width: int, rngs: nnx.Rngs):
        mean, components = principal_components(examples, config.num_components)
        self.mean = Frozen(jnp.asarray(mean))
        self.components = Frozen(jnp.asarray(components))
        self.out = linear(config.num_components, width, rngs)

    def __call__(self, x: Float[Array, "n *shape"]) -> Float[Array, "n width"]:
        return self.out((_flatten(x) - self.mean[...]) @ self.components[...])


class Conv(nnx.Module):
    def __init__(self, config: ConvEmbedder, examples: Examples, width: int, rngs: nnx.Rngs):
        self.standardize = Standardize(examples)
        height, breadth = examples.shape[1:]
        self.num_layers = len(config.channels)
        for i, (c_in, c_out) in enumerate(
            zip((1, *config.channels), config.channels, strict=False)
        ):
            conv = nnx.Conv(c_in, c_out, (3, 3), (2, 2), kernel_init=LINEAR_INIT, rngs=rngs)
            setattr(self, f"conv{i}", conv)
            height, breadth = -(-height // 2), -(-breadth // 2)
        self.out = linear(height * breadth * config.channels[-1], width, rngs)

    def __call__(self, x: Float[Array, "n *shape"]) -> Float[Array, "n width"]:
        x = self.standardize(x)[..., None]
        for i in range(self.num_layers):
            x = jax.nn.relu(getattr(self, f"conv{i}")(x))
        return self.out(_flatten(x))


EMBEDDERS = {
    "linear": Linear,
    "mlp": MLP,
    "pca": PCA,
    "conv": Conv,
    "resnet": ResNet,
}
