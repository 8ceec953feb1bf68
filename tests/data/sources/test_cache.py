"""The cache of exemplar banks: whole or not at all, and one line when it is broken."""

import errno
import multiprocessing
import os
import warnings
from pathlib import Path

import numpy as np
import pytest

from icl.data.sources.cache import cached
from icl.errors import UserError
from icl.files import cache_dir
from icl.types import ExemplarBank


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("ICL_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def make_bank() -> ExemplarBank:
    exemplars = np.random.default_rng(0).integers(0, 256, (3, 2, 4, 4), dtype=np.uint8)
    return ExemplarBank(exemplars, ("é", "b/1", "c"))


def make_nothing() -> ExemplarBank:
    raise AssertionError("made although cached")


def assert_equal(bank: ExemplarBank, other: ExemplarBank) -> None:
    assert bank.names == other.names
    assert bank.exemplars.dtype == other.exemplars.dtype
    np.testing.assert_array_equal(bank.exemplars, other.exemplars)


def assert_broken(path: Path, **kwargs) -> None:
    before = path.read_bytes()
    with pytest.raises(UserError) as caught:
        cached(path.stem, make_nothing, **kwargs)
    message = str(caught.value)
    assert str(path) in message
    assert "delete it and run again" in message
    assert "\n" not in message
    assert path.read_bytes() == before


def test_made_once_then_loaded(folder):
    assert_equal(cached("bank", make_bank), make_bank())
    assert_equal(cached("bank", make_nothing, (3, 2, 4, 4)), make_bank())
    assert [path.name for path in folder.iterdir()] == ["bank.npz"]


def test_names_are_kept_apart():
    cached("one", make_bank)
    with pytest.raises(AssertionError, match="made although cached"):
        cached("other", make_nothing)


def test_folder_from_the_environment(tmp_path, monkeypatch):
    assert cache_dir() == tmp_path / "cache"
    monkeypatch.setenv("ICL_CACHE_DIR", "")  # empty is unset
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir() == tmp_path / "xdg" / "icl"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_dir() == tmp_path / ".cache" / "icl"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_dir() == tmp_path / ".cache" / "icl"


def test_every_truncation_is_an_error(folder):
    cached("bank", make_bank)
    path = folder / "bank.npz"
    whole = path.read_bytes()
    for length in (*range(0, len(whole), 7), len(whole) - 1):
        path.write_bytes(whole[:length])
        assert_broken(path)


@pytest.mark.filterwarnings("ignore:Reading `.npy`")
def test_a_flipped_byte_is_an_error_or_without_effect(folder):
    """Most bytes are under a checksum; what is left (dates, say) does not reach the arrays."""
    cached("bank", make_bank)
    path = folder / "bank.npz"
    whole = path.read_bytes()
    num_errors = 0
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x55]) + whole[position + 1 :])
        try:
            assert_equal(cached("bank", make_nothing), make_bank())
        except UserError as error:
            num_errors += "\n" not in str(error)
    assert num_errors > len(whole) / 2


@pytest.mark.parametrize(
    "arrays",
    [
        {"exemplars": np.zeros((3, 2, 4, 4), np.uint8)},
        {"names": np.array(["a", "b", "c"])},
        {"exemplars": np.zeros((3, 2), np.float32), "names": np.array(["a", "b", "c"])},
        {"exemplars": np.zeros(3, np.uint8), "names": np.array(["a", "b", "c"])},
        {"exemplars": np.zeros((3, 2), np.uint8), "names": np.array(["a", "b"])},
        {"exemplars": np.zeros((3, 2), np.uint8), "names": np.array([1, 2, 3])},
        {"exemplars": np.zeros((3, 2), np.uint8), "names": np.array(["a", "b", "c"], dtype=object)},
    ],
)
def test_other_contents_are_an_error(folder, arrays):
    folder.mkdir()
    np.savez(folder / "bank.npz", **arrays)
    assert_broken(folder / "bank.npz")


def test_another_shape_is_an_error(folder):
    cached("bank", make_bank)
    assert_broken(folder / "bank.npz", shape=(3, 2, 5, 5))


def test_a_single_array_is_an_error(folder):
    folder.mkdir()
    with open(folder / "bank.npz", "wb") as file:
        np.save(file, make_bank().exemplars)
    assert_broken(folder / "bank.npz")


def test_what_a_killed_process_left_is_ignored(folder):
    folder.mkdir()
    (folder / ".bank.npz.1-00000000.tmp").write_bytes(b"half")
    assert_equal(cached("bank", make_bank), make_bank())
    assert_equal(cached("bank", make_nothing), make_bank())


def test_a_failing_make_leaves_nothing(folder):
    with pytest.raises(AssertionError):
        cached("bank", make_nothing)
    assert not folder.exists()


def test_an_interrupted_write_leaves_nothing(folder, monkeypatch):
    def interrupt(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        cached("bank", make_bank)
    assert list(folder.iterdir()) == []


def test_a_full_disk_is_a_warning(folder, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.warns(UserWarning, match=r"bank\.npz.*No space left") as caught:
        assert_equal(cached("bank", make_bank), make_bank())
    assert "\n" not in str(caught[0].message)
    assert list(folder.iterdir()) == []


def test_an_impossible_folder_is_a_warning(folder):
    folder.write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match=r"bank\.npz"):
        assert_equal(cached("bank", make_bank), make_bank())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_folder_is_a_warning(folder):
    folder.mkdir(mode=0o500)
    with pytest.warns(UserWarning, match=r"bank\.npz"):
        assert_equal(cached("bank", make_bank), make_bank())


def _make_and_load(folder: Path, results) -> None:
    os.environ["ICL_CACHE_DIR"] = str(folder)
    warnings.simplefilter("error")
    same = True
    for number in range(20):
        bank = cached(f"bank{number}", make_bank)
        same &= bool((bank.exemplars == make_bank().exemplars).all())
    results.put(same)


def test_concurrent_writers(folder):
    context = multiprocessing.get_context("spawn")  # JAX's threads do not survive a fork
    results = context.Queue()
    processes = [
        context.Process(target=_make_and_load, args=(folder, results), daemon=True)
        for _ in range(2)
    ]
    for process in processes:
        process.start()
    assert [results.get(timeout=60) for _ in processes] == [True] * 2
    for process in processes:
        process.join(timeout=60)
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        f"bank{number}.npz" for number in range(20)
    )
