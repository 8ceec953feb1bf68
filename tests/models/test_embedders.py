"""Embedders: batch norm, what is fitted to the examples in advance, vectors and symbols."""

import math
import operator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from icl.config.embedders import ConvEmbedder, PCAEmbedder, ResNetEmbedder, TableEmbedder
from icl.config.networks import TransformerConfig
from icl.models.embedders import EMBEDDERS, principal_components
from icl.models.layers import Data, Layers
from icl.models.network import make_network
from icl.types import Sequence, Variables

from ..messages import refused
from .cases import (
    BATCH,
    IMAGES,
    ITEMS,
    NUM_CLASSES,
    NUM_LABELS,
    SIZE,
    SYMBOLS,
    VECTORS,
    make_case,
    make_config,
    make_examples,
    make_sequence,
)

# Batch norm: the running statistics are the network's only changing state.


def stem(variables: Variables, sequence: Sequence) -> np.ndarray:
    """The stem's convolution, whose statistics the first norm keeps; [n, h, w, channel]."""
    images = sequence.exemplars.reshape(-1, SIZE, SIZE, 1)
    return np.asarray(
        jax.lax.conv_general_dilated(
            images,
            variables.params["embedder"]["stem"]["conv"]["kernel"],
            window_strides=(2, 2),
            padding="SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
    )


def test_batch_norm_moves_its_statistics_a_tenth_of_the_way_to_the_batchs():
    case = make_case("transformer", "resnet")
    variables, sequence = case.variables, make_sequence("resnet")
    x = stem(variables, sequence)
    mean, variance = np.zeros(64), np.ones(64)
    for _ in range(3):
        state = case.train(variables, sequence)[1]["state"]
        variables = Variables(variables.params, state)
        mean = 0.9 * mean + 0.1 * x.mean(axis=(0, 1, 2))
        variance = 0.9 * variance + 0.1 * x.var(axis=(0, 1, 2))
        norm = state["embedder"]["stem"]["norm"]
        np.testing.assert_allclose(norm["mean"], mean, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(norm["var"], variance, rtol=1e-4, atol=1e-5)


def test_evaluation_uses_the_running_statistics():
    """Once they are those of a batch, both modes give that batch the same answers."""
    case = make_case("transformer", "resnet")
    params, sequence = case.variables.params, make_sequence("resnet")
    state = case.variables.state
    first = case.query(case.variables, sequence)[0]
    for _ in range(200):
        trained, aux = case.train(Variables(params, state), sequence)
        state = aux["state"]
    evaluated = case.query(Variables(params, state), sequence)[0]
    np.testing.assert_allclose(evaluated, trained, rtol=1e-3, atol=1e-3)
    assert np.abs(np.asarray(evaluated) - first).max() > 0.01


# What is fitted to the examples in advance.


@pytest.mark.parametrize("embedder", ["mlp", "conv"])
def test_pixels_are_standardised_as_those_of_the_examples(embedder):
    fitted = make_case("transformer", embedder).variables.state["embedder"]["standardize"]
    assert float(fitted["mean"]) == pytest.approx(make_examples(embedder).mean())
    assert float(fitted["deviation"]) == pytest.approx(make_examples(embedder).std())


@pytest.mark.parametrize("count", [1, 6, 25])
def test_principal_components_are_those_of_a_singular_value_decomposition(count):
    scales = 0.7 ** np.arange(25)  # well apart, so that each component is defined
    rng = np.random.default_rng(0)
    rotation, _ = np.linalg.qr(rng.standard_normal((25, 25)))
    flat = rng.standard_normal((200, 25)) * scales @ rotation + 0.5
    examples = flat.reshape(200, 5, 5).astype(np.float32)
    mean, components = principal_components(examples, count)
    np.testing.assert_allclose(mean, examples.reshape(200, 25).mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(components.T @ components, np.eye(count), atol=1e-5)
    flat = examples.reshape(200, 25).astype(np.float64)
    _, _, expected = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)
    cosines = np.abs(np.sum(components.T * expected[:count], axis=1))
    np.testing.assert_allclose(cosines, 1, atol=1e-5)


def test_principal_components_are_not_trained():
    case = make_case("transformer", "pca")
    variables = case.init(jax.random.key(0))
    frozen = variables.state["embedder"]
    assert frozen["components"].shape == (SIZE**2, 8)
    assert set(frozen) == {"mean", "components"}
    assert set(variables.params["embedder"]) == {"out"}
    mean, components = principal_components(make_examples("pca"), 8)
    np.testing.assert_array_equal(frozen["mean"], mean)
    np.testing.assert_array_equal(frozen["components"], components)


@pytest.mark.parametrize("count", [1, 5])
def test_principal_components_of_few_dimensions(count):
    examples = np.random.default_rng(0).standard_normal((9, count), np.float32)
    _, components = principal_components(examples, count)
    np.testing.assert_allclose(components.T @ components, np.eye(count), atol=1e-5)


@pytest.mark.parametrize("shape", [(3, 9), (9, 3), (3, 2, 2)])
def test_no_more_principal_components_than_dimensions_or_examples(shape):
    config = TransformerConfig(embedder=PCAEmbedder(num_components=5))
    limit = min(shape[0], math.prod(shape[1:]))
    with refused("model.embedder.num_components = 5", str(limit)):
        make_network(config, NUM_LABELS, np.ones(shape, np.float32), NUM_CLASSES)


# Images with channels.


@pytest.mark.parametrize(("kind", "first"), [("conv", "conv0"), ("resnet", "stem.conv")])
@pytest.mark.parametrize("num_channels", [1, 3])
def test_equal_channels_are_read_as_the_grey_image_by_the_sum_of_their_kernels(
    kind, first, num_channels
):
    grey_images = np.random.default_rng(0).random((6, 7, 5), np.float32)
    images = np.repeat(grey_images[..., None], num_channels, axis=-1)
    config = {"conv": ConvEmbedder(channels=(4, 4)), "resnet": ResNetEmbedder()}[kind]

    def make(examples: np.ndarray) -> tuple[nnx.Module, nnx.Conv]:
        """The embedder, and its first convolution; all that follows starts the same."""
        layers = Layers(nnx.Rngs(jax.random.key(0)))
        embedder = EMBEDDERS[kind](config, Data(examples, 2), 8, layers)
        embedder.eval()
        return embedder, operator.attrgetter(first)(embedder)

    (colour, own), (grey, other) = make(images), make(grey_images)
    assert own.kernel.shape[2] == num_channels
    other.kernel[...] = own.kernel[...].sum(axis=2, keepdims=True)
    images, grey_images = jnp.asarray(images), jnp.asarray(grey_images)
    if kind == "resnet":  # the rest takes long to compile, and sees no channels
        read = colour.stem(images), grey.stem(grey_images[..., None])
    else:
        read = colour(images), grey(grey_images)
    np.testing.assert_allclose(*read, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("embedder", IMAGES)
def test_every_embedder_of_images_reads_images_with_channels(embedder):
    examples = np.random.default_rng(0).random((40, SIZE, SIZE, 3), np.float32)
    config = make_config("transformer", embedder)
    if embedder == "identity":
        config = config.model_copy(update={"width": 3 * SIZE**2})
    network = make_network(config, NUM_LABELS, examples, NUM_CLASSES)
    variables = jax.eval_shape(network.init, jax.random.key(0))
    sequence = make_sequence(embedder)._replace(exemplars=np.ones((BATCH, ITEMS, SIZE, SIZE, 3)))
    logits, _ = jax.eval_shape(network.apply, variables, sequence)
    assert logits.shape == (BATCH, 1, NUM_LABELS)


# Exemplars that are no images.


@pytest.mark.parametrize("embedder", VECTORS)
def test_a_vector_is_read_as_the_image_of_the_same_numbers(embedder):
    case = make_case("transformer", embedder)
    flat = make_examples(embedder).reshape(-1, SIZE**2)
    network = make_network(case.config, NUM_LABELS, flat, NUM_CLASSES)
    sequence = make_sequence(embedder)
    vectors = sequence._replace(exemplars=sequence.exemplars.reshape(BATCH, ITEMS, -1))
    logits = jax.jit(network.apply)(case.variables, vectors)[0]
    np.testing.assert_allclose(logits, case.query(case.variables, sequence)[0], rtol=1e-5)


@pytest.mark.parametrize("embedder", SYMBOLS)
def test_every_symbol_has_a_vector_and_only_those_shown_are_trained(embedder):
    case = make_case("transformer", embedder)
    sequence = make_sequence(embedder, batch=1)

    @jax.jit
    @jax.grad
    def gradient(params):
        variables = Variables(params, case.variables.state)
        return case.network.apply(variables, sequence)[0][..., 0].sum()

    params = gradient(case.variables.params)["embedder"]
    table = params["out"]["kernel"] if embedder == "one_hot" else params["table"]["embedding"]
    assert table.shape == (NUM_CLASSES, case.config.width)
    is_trained = np.asarray(table != 0).any(axis=1)
    assert set(np.flatnonzero(is_trained)) == set(np.asarray(sequence.exemplars).ravel().tolist())


@pytest.mark.parametrize("init_std", [0.5, 1.0])
def test_the_table_of_symbols_starts_normal_with_the_deviation_asked_for(init_std):
    config = TransformerConfig(embedder=TableEmbedder(init_std=init_std))
    network = make_network(config, 2, np.zeros(2, np.int32), 2000)
    table = np.asarray(network.init(jax.random.key(0)).params["embedder"]["table"]["embedding"])
    assert table.std() == pytest.approx(init_std, rel=5 / math.sqrt(2 * table.size))
    assert np.abs(table).max() > 4 * init_std  # not truncated
