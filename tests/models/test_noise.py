"""Random shifts and dropout: as often and as far as asked for, in training or always."""

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from icl.config.networks import TransformerConfig
from icl.models.network import make_network
from icl.models.noise import Shift, drop
from icl.types import Sequence

BITS = jnp.arange(300, dtype=jnp.uint32)


def shifted(max_shift: int, images: np.ndarray, bits: jax.Array = BITS) -> np.ndarray:
    layer = Shift(max_shift)
    layer.train()
    return np.asarray(jax.jit(layer)(jnp.asarray(images), bits))


def test_channels_of_an_image_move_together():
    images = np.random.default_rng(0).random((len(BITS), 2, 5, 4), np.float32)
    moved = shifted(2, np.stack([images, 2 * images, 1 - images], axis=-1))
    np.testing.assert_array_equal(moved[..., 0], shifted(2, images))
    np.testing.assert_array_equal(moved[..., 1], 2 * moved[..., 0])


def test_every_shift_up_to_the_largest_is_as_likely():
    most, size = 2, 9
    images = np.zeros((len(BITS), 4, size, size), np.float32)
    images[:, :, 4, 4] = 1
    moved = shifted(most, images)
    places = np.argwhere(moved)
    assert len(places) == images.sum()
    counts = np.zeros((5, 5))
    np.add.at(counts, tuple((places[:, 2:] - 4 + most).T), 1)
    expected = len(places) / 25
    # Chi-square with 24 degrees of freedom exceeds 63 once in 25,000.
    assert ((counts - expected) ** 2 / expected).sum() < 63
    assert not (places[0::4, 2:] == places[1::4, 2:]).all()  # items of a sequence move apart


def test_what_leaves_the_image_is_gone_and_what_comes_in_is_empty():
    images = np.ones((len(BITS), 1, 5, 5), np.float32)
    sums = shifted(1, images).sum(axis=(1, 2, 3))
    assert set(sums.tolist()) == {16, 20, 25}


def test_images_are_shifted_in_training_alone_and_by_the_bits_of_their_sequence():
    images = np.random.default_rng(0).random((6, 2, 5, 5), np.float32)
    layer = Shift(2)
    layer.eval()
    np.testing.assert_array_equal(layer(jnp.asarray(images), BITS[:6]), images)
    first, again = shifted(2, images, BITS[:6]), shifted(2, images, BITS[:6])
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first[2:4], shifted(2, images[2:4], BITS[2:4]))
    assert (shifted(2, images, BITS[6:12]) != first).any()


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_numbers_are_dropped_as_often_as_asked_for_and_their_mean_is_kept(p):
    x = jnp.ones((len(BITS), 3, 16))
    dropped = np.asarray(drop(x, BITS, p))
    np.testing.assert_allclose(dropped[dropped != 0], 1 / (1 - p), rtol=1e-6)
    share = (dropped == 0).mean()
    assert abs(share - p) < 5 * math.sqrt(p * (1 - p) / dropped.size)
    assert (dropped[:, 0] != dropped[:, 1]).any()


def test_networks_use_both_and_dropout_in_tests_too():
    rng = np.random.default_rng(0)
    examples = rng.random((9, 8, 8), np.float32)
    sequence = Sequence(
        jnp.asarray(rng.random((4, 4, 8, 8), np.float32)), jnp.zeros((4, 4), jnp.int32), BITS[:4]
    )
    settings = {"width": 16, "num_heads": 2, "num_layers": 1}
    plain = make_network(TransformerConfig(**settings), 7, examples, 9)
    variables = plain.init(jax.random.key(0))

    @functools.cache
    def applied(training: bool, **changes) -> Callable[[Sequence], jax.Array]:
        network = make_network(TransformerConfig(**settings, **changes), 7, examples, 9)
        return jax.jit(lambda asked: network.apply(variables, asked, training=training)[0])

    def answers(training: bool, bits: jax.Array, **changes) -> np.ndarray:
        return np.asarray(applied(training, **changes)(sequence._replace(bits=bits)))

    same, other = BITS[:4], BITS[4:8]
    reference = answers(False, same)
    # Products of attention are made in another order in training.
    np.testing.assert_allclose(answers(True, other), reference, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(answers(False, other, max_shift=2), reference)
    assert (answers(True, same, max_shift=2) != reference).all()
    for training in (True, False):
        first, second = (answers(training, b, example_dropout=0.5) for b in (same, other))
        assert (first != second).all()
        np.testing.assert_array_equal(first, answers(training, same, example_dropout=0.5))
