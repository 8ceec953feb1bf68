"""Exemplars as sequences look them up: every source, and what a config makes of a bank."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from icl.config.data import DataConfig
from icl.data.sources.load import SOURCES, load_exemplars
from icl.data.sources.on_device import (
    ALIGNMENT,
    aligned_empty,
    example_items,
    exemplars_in_use,
    put_on_device,
)
from icl.errors import UserError
from icl.types import ExemplarBank, Exemplars

NUM_CLASSES, NUM_EXEMPLARS, SIZE = 7, 3, 5

SMALL = {
    "omniglot": {},
    "glyphs": {"num_classes": NUM_CLASSES, "num_exemplars": NUM_EXEMPLARS},
    "gaussian": {"dim": 4},
    "symbolic": {"num_classes": NUM_CLASSES},
    "features": {"path": "features.npy"},
    "markov": {"num_symbols": NUM_CLASSES},
}


def make_data(kind: str = "glyphs", **other) -> DataConfig:
    base = {"num_classes": 5, "num_holdout_classes": 2, "shots": 1, "ways": 1, "context_len": 1}
    return DataConfig.model_validate(base | {"source": {"kind": kind} | SMALL[kind]} | other)


def make_bank(*shape: int) -> ExemplarBank:
    shape = shape or (NUM_CLASSES, NUM_EXEMPLARS, SIZE, SIZE)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    return ExemplarBank(images, tuple(map(str, range(shape[0]))))


def everything(exemplars: Exemplars) -> np.ndarray:
    """All images of a bank, [class, exemplar, ...], as bytes again."""
    grid = np.indices((exemplars.num_classes, exemplars.num_exemplars), np.int32)
    return as_bytes(jax.jit(exemplars.fetch)(exemplars.arrays, *grid))


def as_bytes(images) -> np.ndarray:
    """Pixels as bytes, which they are up to rounding."""
    pixels = np.rint(np.asarray(images) * 255)
    np.testing.assert_allclose(images, pixels / 255, rtol=1e-6)
    return pixels.astype(np.uint8)


def eight_images(image: np.ndarray) -> set[bytes]:
    """The image and its mirror image, each turned four times."""
    flips = image, image[:, ::-1]
    return {np.ascontiguousarray(np.rot90(f, k)).tobytes() for f in flips for k in range(4)}


@pytest.mark.parametrize("kind", SOURCES)
def test_every_source_gives_items_of_its_shape_and_type(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("features.npy", np.ones((NUM_CLASSES, NUM_EXEMPLARS, 4), np.float16))
    if kind == "omniglot":  # its files have tests of their own
        monkeypatch.setitem(SOURCES, kind, lambda source: make_bank(1623, 20, 28, 28))
    data = make_data(kind)
    exemplars = put_on_device(data, load_exemplars(data.source))
    classes = np.array([[0, 1, 2], [4, 5, 6]], np.int32)
    items = jax.jit(exemplars.fetch)(exemplars.arrays, classes, np.zeros_like(classes))
    assert items.shape == (2, 3, *exemplars.shape)
    if exemplars.shape == ():
        assert items.dtype == jnp.int32
        np.testing.assert_array_equal(items, classes)
    else:
        assert items.dtype == jnp.float32
    alone = jax.eval_shape(exemplars.fetch, exemplars.arrays, jnp.int32(6), jnp.int32(0))
    assert alone.shape == exemplars.shape
    for name in ("shape", "num_classes", "num_exemplars"):
        assert getattr(data.source, name) in (getattr(exemplars, name), None)
    assert example_items(data, exemplars).dtype == items.dtype


# The order of the split.


@pytest.mark.parametrize("split_seed", [0, 1337, 2**32 - 1])
@pytest.mark.parametrize(("num_classes", "num_exemplars"), [(7, 3), (2, 1), (500, 2)])
def test_classes_are_in_one_random_order_fixed_by_the_seed(num_classes, num_exemplars, split_seed):
    bank = make_bank(num_classes, num_exemplars, 4)
    order = np.random.default_rng(split_seed).permutation(num_classes)
    found = everything(put_on_device(make_data(split_seed=split_seed), bank))
    np.testing.assert_array_equal(found, bank.exemplars[order])


def test_held_out_classes_stay_when_the_numbers_of_classes_and_exemplars_change():
    source = {"kind": "glyphs", "num_classes": 100}
    bank = make_bank(100, 20, 2)
    found = [
        everything(put_on_device(make_data(source=source, **counts), bank))[-2:]
        for counts in (
            {"num_classes": 5},
            {"num_classes": 98},
            {"num_holdout_classes": 50, "num_exemplars": 3, "num_holdout_exemplars": 2},
            {"exemplars": "single"},
        )
    ]
    for other in found[1:]:
        np.testing.assert_array_equal(other[:, 0], found[0][:, 0])


# Flips and rotations; each exemplar a class of its own.


@pytest.mark.parametrize("exemplars", ["all", "single", "separated"])
def test_flips_and_rotations_are_the_eight_images_of_each_class_one_after_another(exemplars):
    bank, data = make_bank(), make_data(flips_and_rotations=True, exemplars=exemplars)
    made = put_on_device(data, bank)
    separated = NUM_EXEMPLARS if exemplars == "separated" else 1
    assert made.num_classes == NUM_CLASSES * 8 * separated
    assert made.num_classes // NUM_CLASSES == data.classes_per_source_class
    assert made.num_exemplars == (NUM_EXEMPLARS if exemplars == "all" else 1)
    assert made.shape == (SIZE, SIZE)
    found = everything(made).reshape(NUM_CLASSES, 8, -1, SIZE, SIZE)
    order = np.random.default_rng(data.split_seed).permutation(NUM_CLASSES)
    for blocks, images in zip(found, bank.exemplars[order], strict=True):
        np.testing.assert_array_equal(blocks[0], images[: blocks.shape[1]])  # left as it is
        for number in range(blocks.shape[1]):
            alike = {image.tobytes() for image in blocks[:, number]}
            assert alike == eight_images(images[number])


def test_channels_are_flipped_and_rotated_together():
    grey = make_bank()
    colour = ExemplarBank(np.stack([grey.exemplars, 255 - grey.exemplars], -1), grey.names)
    data = make_data("features", flips_and_rotations=True)
    expected = everything(put_on_device(data, grey))
    found = everything(put_on_device(data, colour))
    np.testing.assert_array_equal(found[..., 0], expected)
    np.testing.assert_array_equal(found[..., 1], 255 - expected)


@pytest.mark.parametrize(
    ("shape", "other", "words"),
    [
        ((5,), {"flips_and_rotations": True}, ("data.flips_and_rotations = true", "your own")),
        ((5,), {"random_rare_exemplars": True}, ("data.random_rare_exemplars = true", "your own")),
        ((5, 4), {"flips_and_rotations": True}, ("5 x 4 pixels", "not square")),
        (
            (4, 4),
            {"flips_and_rotations": True, "num_classes": 49},
            ("data.num_classes = 49", "at most 48 of the 56", "one side"),
        ),
    ],
)
def test_transforms_of_a_file_that_are_refused(shape, other, words):
    with pytest.raises(UserError) as caught:
        put_on_device(make_data("features", **other), make_bank(NUM_CLASSES, NUM_EXEMPLARS, *shape))
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("exemplars", ["all", "separated"])
def test_all_images_of_a_class_of_the_source_are_on_one_side_of_any_split(exemplars):
    bank = ExemplarBank(np.arange(NUM_CLASSES, dtype=np.uint8).repeat(12).reshape(-1, 3, 2, 2), ())
    together = 8 * (3 if exemplars == "separated" else 1)
    for num_classes in range(together, together * (NUM_CLASSES - 1) + 1, together):
        data = make_data(
            flips_and_rotations=True,
            exemplars=exemplars,
            num_classes=num_classes,
            num_holdout_classes=together * NUM_CLASSES - num_classes,
        )
        source_class = everything(put_on_device(data, bank))[:, 0, 0, 0]
        assert not set(source_class[:num_classes]) & set(source_class[num_classes:])
    with pytest.raises(ValueError, match=rf"{num_classes + 1} \+ .*at most {num_classes},"):
        make_data(flips_and_rotations=True, exemplars=exemplars, num_classes=num_classes + 1)


def test_each_exemplar_as_a_class_of_its_own():
    bank, data = make_bank(), make_data(exemplars="separated", num_holdout_classes=3)
    made = put_on_device(data, bank)
    assert (made.num_classes, made.num_exemplars) == (NUM_CLASSES * NUM_EXEMPLARS, 1)
    order = np.random.default_rng(data.split_seed).permutation(NUM_CLASSES)
    expected = bank.exemplars[order].reshape(-1, 1, SIZE, SIZE)
    np.testing.assert_array_equal(everything(made), expected)
    assert exemplars_in_use(data, made) == 1


@pytest.mark.parametrize("kind", ["glyphs", "gaussian"])
def test_the_first_exemplar_alone(kind):
    data = make_data(kind, exemplars="single")
    loaded = load_exemplars(data.source)
    single = put_on_device(data, loaded)
    whole = put_on_device(make_data(kind), loaded)
    assert single.num_exemplars == exemplars_in_use(data, single) == 1
    assert single.num_classes == whole.num_classes
    classes = jnp.arange(5)
    first = jnp.zeros_like(classes)
    np.testing.assert_array_equal(
        *(jax.jit(made.fetch)(made.arrays, classes, first) for made in (single, whole))
    )


# Counts.


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({}, 3),
        ({"num_exemplars": 2}, 2),
        ({"num_holdout_exemplars": 2}, 1),
        ({"num_exemplars": 1, "num_holdout_exemplars": 1}, 1),
    ],
)
def test_exemplars_in_use(other, expected):
    data = make_data(**other)
    assert exemplars_in_use(data, put_on_device(data, make_bank())) == expected


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"num_classes": 6}, ("data.num_classes", "6 + 2", "at most the 7 classes")),
        ({"num_exemplars": 4}, ("data.num_exemplars = 4", "at most the 3 exemplars")),
        ({"num_holdout_exemplars": 3}, ("data.num_holdout_exemplars = 3", "at most 2,")),
        ({"num_exemplars": 3, "num_holdout_exemplars": 1}, ("= 1;", "at most 0,")),
    ],
)
def test_what_only_the_file_can_tell_is_checked(other, words):
    with pytest.raises(UserError) as caught:
        put_on_device(make_data("features", **other), make_bank(NUM_CLASSES, NUM_EXEMPLARS, 4))
    for word in (*words, "data.source (features)"):
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_mistake_has_its_line():
    data = make_data("features", num_classes=6, num_exemplars=9)
    with pytest.raises(UserError) as caught:
        put_on_device(data, make_bank(NUM_CLASSES, NUM_EXEMPLARS, 4))
    assert len(caught.value.args) == 2


# Examples for what is fitted in advance.


@pytest.mark.parametrize("limit", [1, 3, 9, 10, 10_000])
def test_examples_are_evenly_spaced_over_training_classes_and_exemplars_in_use(limit):
    data = make_data(num_exemplars=2)
    exemplars = put_on_device(data, make_bank())
    used = everything(exemplars)[:5, :2].reshape(-1, SIZE, SIZE)
    examples = as_bytes(example_items(data, exemplars, limit))
    np.testing.assert_array_equal(examples, used[:: max(1, -(-len(used) // limit))])
    assert 1 <= len(examples) <= limit


@pytest.mark.parametrize("kind", ["gaussian", "symbolic", "markov"])
@pytest.mark.parametrize("limit", [4, 50])
def test_examples_of_sources_without_end_are_as_many_as_asked_for(kind, limit):
    data = make_data(kind, num_classes=5)
    exemplars = put_on_device(data, load_exemplars(data.source))
    examples = example_items(data, exemplars, limit)
    np.testing.assert_array_equal(examples, example_items(data, exemplars, limit))
    if kind == "gaussian":
        assert 0.8 * limit < len(examples) <= limit
        assert len(np.unique(examples, axis=0)) == len(examples)
    else:
        assert set(examples.tolist()) == ({0, 2, 4} if limit == 4 else set(range(5)))


# Memory.


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="other devices have their own memory")
@pytest.mark.parametrize("shape", [(3, 2, 5, 5), (3, 2, 129)])
def test_an_aligned_bank_is_not_copied(shape):
    for dtype in (np.uint8, np.float32):
        array = aligned_empty(shape, dtype)
        assert (array.shape, array.dtype) == (shape, dtype)
        assert array.ctypes.data % ALIGNMENT == 0
        array[...] = 1
        bank = ExemplarBank(array, ("a", "b", "c"))
        exemplars = put_on_device(make_data(num_classes=2, num_holdout_classes=1), bank)
        assert exemplars.arrays["bank"].unsafe_buffer_pointer() == array.ctypes.data
