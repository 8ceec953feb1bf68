"""Features from files: the same array from every format, and one line for everything else."""

import sys
from pathlib import Path

import h5py
import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as some
from PIL import Image

from icl.config.data import DataConfig
from icl.config.features_file import FORMATS as READERS
from icl.config.features_file import RANKS, count_classes
from icl.config.sources import FeaturesSource
from icl.config.yaml import dump_config, load_config
from icl.data.sources.features import load_features
from icl.errors import UserError

from ...conftest import QUICKSTART

FEATURES = np.random.default_rng(0).standard_normal((4, 3, 5)).astype(np.float32)


def save(path: Path, **arrays: np.ndarray) -> FeaturesSource:
    """All arrays, by name, in the format of the extension; a .npy file has the only one."""
    match path.suffix.lower():
        case ".npy":
            (array,) = arrays.values()
            with open(path, "wb") as file:  # to a path, NumPy would add an extension of its own
                np.save(file, array)
        case ".npz":
            np.savez(path, **arrays)
        case ".safetensors":
            safetensors.numpy.save_file(arrays, path)
        case _:
            with h5py.File(path, "w") as file:
                for name, array in arrays.items():
                    file[name] = array
    return FeaturesSource(path=str(path))


def fails(source: FeaturesSource, *words: str) -> None:
    with pytest.raises(UserError) as caught:
        load_features(source)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("data.source.")


every_format = pytest.mark.parametrize("extension", READERS)
NAMED = [extension for extension in READERS if extension != ".npy"]


@every_format
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "uint8", "int64"])
def test_the_array_as_float32(tmp_path, extension, dtype):
    array = (10 * FEATURES).astype(dtype)
    bank = load_features(save(tmp_path / f"a{extension}", features=array))
    assert bank.exemplars.dtype == np.float32
    np.testing.assert_array_equal(bank.exemplars, array.astype(np.float32))
    assert len(set(bank.names)) == len(array)


def test_bfloat16(tmp_path):
    array = FEATURES.astype(ml_dtypes.bfloat16)
    bank = load_features(save(tmp_path / "a.safetensors", features=array))
    np.testing.assert_array_equal(bank.exemplars, array.astype(np.float32))


@given(
    array=some.arrays(
        st.sampled_from([np.float32, np.float64, np.int16, np.uint64]),
        some.array_shapes(min_dims=0, max_dims=6, min_side=0, max_side=3),
    )
)
@settings(max_examples=100, deadline=None)
def test_any_array_is_taken_or_refused_in_one_line(tmp_path_factory, array):
    source = save(tmp_path_factory.getbasetemp() / "any.npy", features=array)
    with np.errstate(over="ignore"):
        expected = array.astype(np.float32)
    if array.ndim not in RANKS:
        fails(source, f"shape {list(array.shape)}", "[class, exemplar, dim]")
    elif array.size == 0:
        fails(source, f"shape {list(array.shape)}", "at least one")
    elif not np.isfinite(expected).all():
        bad = np.argwhere(~np.isfinite(expected))
        where = f"class {bad[0][0]}, exemplar {bad[0][1]}"
        fails(source, f"{len(bad)} of {array.size} values", where)
    else:
        np.testing.assert_array_equal(load_features(source).exemplars, expected)


@pytest.mark.parametrize("order", ["C", "F"])
def test_any_layout_in_memory(tmp_path, order):
    array = np.asarray(FEATURES.astype(">f8"), order=order)
    for extension in (".npy", ".npz", ".h5"):
        bank = load_features(save(tmp_path / f"a{extension}", features=array))
        np.testing.assert_array_equal(bank.exemplars, FEATURES)


@pytest.mark.parametrize("extension", NAMED)
def test_the_key_chooses_among_several(tmp_path, extension):
    source = save(tmp_path / f"a{extension}", train=FEATURES, other=FEATURES[:2] + 1)
    for key, expected in (("train", FEATURES), ("other", FEATURES[:2] + 1)):
        bank = load_features(source.model_copy(update={"key": key}))
        np.testing.assert_array_equal(bank.exemplars, expected)
    fails(source, "data.source.key = null", "other, train")
    fails(source.model_copy(update={"key": "tra"}), "data.source.key = tra", "other, train")


def test_arrays_in_groups_of_hdf5(tmp_path):
    source = save(tmp_path / "a.h5", **{"group/features": FEATURES})
    np.testing.assert_array_equal(load_features(source).exemplars, FEATURES)
    fails(source.model_copy(update={"key": "group"}), "= group;", "group/features")


def test_upper_case_extension_and_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    save(tmp_path / "a.NPY", features=FEATURES)
    bank = load_features(FeaturesSource(path="~/a.NPY"))
    np.testing.assert_array_equal(bank.exemplars, FEATURES)


# Images.


@every_format
@pytest.mark.parametrize("shape", [(3, 2, 4, 5), (3, 2, 4, 5, 3)])
def test_images_of_bytes_stay_bytes_and_floats_stay_as_they_are(tmp_path, extension, shape):
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    bank = load_features(save(tmp_path / f"a{extension}", images=array))
    assert bank.exemplars.dtype == np.uint8
    np.testing.assert_array_equal(bank.exemplars, array)
    bank = load_features(save(tmp_path / f"b{extension}", images=array.astype(np.float64) / 7))
    assert bank.exemplars.dtype == np.float32
    np.testing.assert_array_equal(bank.exemplars, (array / 7).astype(np.float32))


# Classes with different numbers of exemplars.


@pytest.mark.parametrize("extension", NAMED)
def test_the_numbers_of_exemplars_stand_beside_the_array(tmp_path, extension):
    array = FEATURES.copy()
    array[1, 1:] = np.nan  # padding need not be finite
    counts = np.array([2, 1, 2, 2])
    bank = load_features(save(tmp_path / f"a{extension}", data=array, num_exemplars=counts))
    np.testing.assert_array_equal(bank.exemplars, array[:, :2])  # no class has a third
    np.testing.assert_array_equal(bank.num_exemplars, counts)


def test_equal_numbers_of_exemplars_are_an_array_without_padding(tmp_path):
    source = save(tmp_path / "a.npz", data=FEATURES, num_exemplars=np.full(4, 2))
    bank = load_features(source)
    assert bank.num_exemplars is None
    np.testing.assert_array_equal(bank.exemplars, FEATURES[:, :2])


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ([3, 3, 3], ("shape [3]", "shape [4]")),
        ([3.0, 3, 3, 3], ("float64", "whole number")),
        ([3, 0, 3, 3], ("class 1 is 0", "1 to 3")),
        ([3, 3, 3, 4], ("class 3 is 4", "1 to 3")),
    ],
)
def test_wrong_numbers_of_exemplars(tmp_path, counts, words):
    fails(save(tmp_path / "a.npz", data=FEATURES, num_exemplars=np.array(counts)), *words)


def test_values_that_are_not_finite_before_the_padding(tmp_path):
    array = FEATURES.copy()
    array[1, 1] = array[2, 2] = np.nan
    source = save(tmp_path / "a.npz", data=array, num_exemplars=np.array([3, 1, 3, 3]))
    fails(source, "5 of 60 values", "class 2, exemplar 2")


# Counting classes.


@every_format
def test_classes_are_counted_without_reading_them(tmp_path, monkeypatch, extension):
    source = save(tmp_path / f"a{extension}", features=FEATURES)
    monkeypatch.setattr(np.lib.format, "read_array", None)
    assert count_classes(source.path, source.key) == len(FEATURES)


def test_all_but_the_held_out_classes_are_trained_on(tmp_path):
    source = save(tmp_path / "a.npy", features=FEATURES)
    short = {"context_len": 1, "shots": 1, "ways": 1}
    assert DataConfig(source=source, num_holdout_classes=1, **short).num_classes == 3
    images = save(tmp_path / "b.npy", images=np.ones((4, 3, 2, 2)))
    other = {"source": images, "flips_and_rotations": True} | short
    assert DataConfig(**other, num_holdout_classes=3).num_classes == 24
    assert DataConfig(**other, num_holdout_classes=3, num_classes=5).num_classes == 5
    with pytest.raises(ValueError, match=r"data.num_holdout_classes = 3; allowed: at most 2 .* 4"):
        DataConfig(source=source, num_holdout_classes=3, **short)


def test_null_is_a_number_of_every_source_with_an_end():
    for kind, expected in (("omniglot", 1600), ("symbolic", 1600), ("markov", 3)):
        data = DataConfig.model_validate({"source": {"kind": kind}, "num_classes": None})
        assert data.num_classes == expected
    with pytest.raises(ValueError, match=r"data\.num_classes = null; allowed: a number"):
        DataConfig.model_validate({"source": {"kind": "gaussian"}, "num_classes": None})


def test_a_recorded_number_of_classes_needs_no_file(tmp_path):
    source = save(tmp_path / "a.npy", features=np.ones((60, 4, 2)))
    config = load_config(
        QUICKSTART, ["data.source.kind=features", f"data.source.path={source.path}"]
    )
    assert (config.data.num_classes, config.data.num_labels) == (37, 240)
    Path(source.path).unlink()
    (tmp_path / "config.yaml").write_text(dump_config(config))
    assert load_config(tmp_path / "config.yaml") == config


# A folder of images.


def write_images(folder: Path, *modes: str, size: tuple[int, int] = (4, 3)) -> list[np.ndarray]:
    """Random images of these modes in a folder; their pixels."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(len(modes))
    images = []
    for i, mode in enumerate(modes):
        channels = () if mode == "L" else (len(mode),)
        pixels = rng.integers(0, 256, (*size[::-1], *channels), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
        images.append(pixels)
    return images


def test_a_folder_has_a_folder_of_images_for_each_class(tmp_path):
    expected = {name: write_images(tmp_path / name, *modes) for name, modes in GREY.items()}
    (tmp_path / "a" / "notes.txt").write_text("no image")
    (tmp_path / ".hidden").mkdir()
    source = FeaturesSource(path=str(tmp_path))
    bank = load_features(source)
    assert bank.names == tuple(sorted(expected))
    assert bank.exemplars.shape == (3, 3, 3, 4)
    assert count_classes(source.path, None) == 3
    np.testing.assert_array_equal(bank.num_exemplars, [2, 3, 1])
    for images, name in zip(bank.exemplars, sorted(expected), strict=True):
        np.testing.assert_array_equal(images[: len(expected[name])], expected[name])


GREY = {"b": ["L"] * 3, "a": ["L"] * 2, "c": ["L"]}


def test_images_in_colour_where_any_is(tmp_path):
    (grey,) = write_images(tmp_path / "a", "L")
    (colour,) = write_images(tmp_path / "b", "RGB")
    bank = load_features(FeaturesSource(path=str(tmp_path)))
    assert bank.num_exemplars is None
    np.testing.assert_array_equal(bank.exemplars[0, 0], np.repeat(grey[..., None], 3, -1))
    np.testing.assert_array_equal(bank.exemplars[1, 0], colour)


def test_folders_that_are_refused(tmp_path):
    source = FeaturesSource(path=str(tmp_path))
    fails(source, "holds no folders")
    write_images(tmp_path / "a", "L", "L")
    fails(FeaturesSource(path=str(tmp_path), key="x"), "data.source.key = x", "null")
    write_images(tmp_path / "b", "L", size=(5, 3))
    fails(source, "b/0.png has 5 x 3 pixels", "4 x 3, as a/0.png")
    (tmp_path / "b" / "0.png").write_bytes(b"\x89PNG")
    fails(source, "b/0.png cannot be read")
    Image.fromarray(np.ones((3, 4), np.uint16)).save(tmp_path / "b" / "0.png")
    fails(source, "b/0.png is of mode I;16", "8 bits")
    (tmp_path / "b" / "0.png").unlink()
    fails(source, "no images in b", ".png")


def test_an_array_too_large_for_memory_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "a.npy"
    with open(path, "wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (10**6, 10, 2048)}
        np.lib.format.write_array_header_1_0(file, header)
    fails(FeaturesSource(path=str(path)), "takes 8.19e+10 bytes", "at most 3.44e+10")


# What is refused.


def test_a_key_for_a_file_without_names(tmp_path):
    source = save(tmp_path / "a.npy", features=FEATURES)
    fails(source.model_copy(update={"key": "x"}), "data.source.key = x", "null", ".npy")


@every_format
def test_no_such_file(tmp_path, extension):
    fails(FeaturesSource(path=str(tmp_path / f"a{extension}")), f"a{extension}", "no such file")


@every_format
def test_a_folder(tmp_path, extension):
    (tmp_path / f"a{extension}").mkdir()
    fails(FeaturesSource(path=str(tmp_path / f"a{extension}")), "cannot be read")


@pytest.mark.parametrize("name", ["a.txt", "a", "a.npy.gz", ".npy"])
def test_another_extension(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    fails(FeaturesSource(path=str(tmp_path / name)), "unknown extension", *READERS)


@every_format
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
def test_a_truncated_file(tmp_path, extension, kept):
    path = tmp_path / f"a{extension}"
    source = save(path, features=FEATURES)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    fails(source, "cannot be read", f"a {extension} file")


@every_format
def test_a_file_of_another_format(tmp_path, extension):
    other = ".npz" if extension == ".npy" else ".npy"
    path = tmp_path / f"a{other}"
    save(path, features=FEATURES)
    fails(FeaturesSource(path=str(path.rename(tmp_path / f"a{extension}"))), "cannot be read")


@pytest.mark.parametrize("extension", NAMED)
def test_a_file_without_arrays(tmp_path, extension):
    fails(save(tmp_path / f"a{extension}"), "holds no array")


@pytest.mark.parametrize("dtype", ["bool", "complex64", "S3"])
@pytest.mark.parametrize("extension", [".npy", ".npz", ".h5"])
def test_what_is_no_number(tmp_path, extension, dtype):
    array = np.ones((2, 2, 2)).astype(dtype)
    fails(save(tmp_path / f"a{extension}", features=array), "dtype", "floats or integers")


@pytest.mark.parametrize("extension", [".npy", ".npz"])
def test_pickles_are_never_read(tmp_path, extension):
    array = np.full((2, 2, 2), object())
    fails(save(tmp_path / f"a{extension}", features=array.astype(object)), "cannot be read")


@every_format
@pytest.mark.parametrize("shape", [(), (3,), (4, 15), (2, 2, 2, 2, 2, 2)])
def test_another_rank(tmp_path, extension, shape):
    source = save(tmp_path / f"a{extension}", features=np.ones(shape, np.float32))
    fails(source, f"shape {list(shape)}", "[class, exemplar, dim]")


@every_format
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_values_that_are_not_finite(tmp_path, extension, value):
    array = FEATURES.astype(np.float64)
    array[2, 1, 4] = array[3, 0, 0] = value
    source = save(tmp_path / f"a{extension}", features=array)
    fails(source, "2 of 60 values", "class 2, exemplar 1", "finite")


@pytest.mark.parametrize(
    ("extension", "library"), [(".h5", "h5py"), (".safetensors", "safetensors")]
)
def test_a_library_that_is_not_installed(tmp_path, monkeypatch, extension, library):
    source = save(tmp_path / f"a{extension}", features=FEATURES)
    monkeypatch.setitem(sys.modules, library, None)
    fails(source, library, "not installed", 'pip install "icl[features]"')
