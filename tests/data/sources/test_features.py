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

from icl.config.sources import FeaturesSource
from icl.data.sources.features import READERS, load_features
from icl.errors import UserError

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
        some.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    )
)
@settings(max_examples=100, deadline=None)
def test_any_array_is_taken_or_refused_in_one_line(tmp_path_factory, array):
    source = save(tmp_path_factory.getbasetemp() / "any.npy", features=array)
    with np.errstate(over="ignore"):
        expected = array.astype(np.float32)
    if array.ndim != 3:
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
@pytest.mark.parametrize("shape", [(), (3,), (4, 15), (2, 2, 2, 2)])
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
