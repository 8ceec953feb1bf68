"""MNIST: small files in the idx format for every way in and every error."""

import gzip
import struct
from hashlib import md5
from pathlib import Path

import jax
import numpy as np
import pytest

from icl.config.tasks import DigitsTask
from icl.data.sources import archives
from icl.data.tasks import make_task, make_task_knobs, mnist
from icl.data.tasks.mnist import TEST, TRAIN, load_mnist, parse_idx
from icl.errors import UserError

SIZES = {"train": 30, "t10k": 10}
RNG = np.random.default_rng(0)
ARRAYS = {
    file.name: RNG.integers(0, 256, (SIZES[file.name.split("-")[0]], 28, 28)).astype(np.uint8)
    if "images" in file.name
    else RNG.integers(0, 10, SIZES[file.name.split("-")[0]]).astype(np.uint8)
    for file in TRAIN + TEST
}


def idx(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.tobytes()


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    path = tmp_path / "data"
    path.mkdir()
    for name, array in ARRAYS.items():
        (path / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
    monkeypatch.setenv("ICL_MNIST_DIR", str(path))
    monkeypatch.setenv("ICL_CACHE_DIR", str(tmp_path / "cache"))
    return path


def error(*words: str) -> str:
    with pytest.raises(UserError) as caught:
        load_mnist()
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
    return message


def assert_loaded() -> None:
    for part, (images, labels) in zip((TRAIN, TEST), load_mnist(), strict=True):
        np.testing.assert_array_equal(images, ARRAYS[part[0].name])
        np.testing.assert_array_equal(labels, ARRAYS[part[1].name])


def test_a_folder_of_archives(folder):
    assert_loaded()


def test_a_folder_of_unpacked_files(folder):
    for name, array in ARRAYS.items():
        (folder / f"{name}.gz").unlink()
        (folder / name).write_bytes(idx(array))
    assert_loaded()


def test_draws_are_rows_of_the_images_with_the_digit_at_the_end(folder):
    config = DigitsTask(delay=2)
    task = make_task(config)
    draw = jax.jit(task.draw, static_argnums=1)
    trials = draw(jax.random.key(0), 200, make_task_knobs(config), task.arrays)
    assert trials.inputs.shape == (200, 30, 28)
    known = {image.tobytes(): label for image, label in zip(*load_mnist()[0], strict=True)}
    pixels = np.rint(255 * np.asarray(trials.inputs[:, :28])).astype(np.uint8)
    assert [known[image.tobytes()] for image in pixels] == list(trials.targets[:, -1])


@pytest.mark.parametrize("axes", [(), (0,), (3,), (2, 3), (2, 0, 3), (2, 3, 4, 5)])
def test_idx_of_any_shape(axes):
    array = np.arange(np.prod(axes, dtype=int), dtype=np.uint8).reshape(axes)
    parsed = parse_idx(idx(array))
    assert parsed.shape == axes
    np.testing.assert_array_equal(parsed, array)


GOOD = idx(ARRAYS[TEST[0].name])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "nothing"),
        (GOOD[:3], "00 00 08"),
        (b"\0\0\x0d\3" + GOOD[4:], "00 00 0d 03"),
        (b"\x89PNG" + GOOD[4:], "89 50 4e 47"),
        (GOOD[:10], "10 bytes, shorter than its header of 16"),
        (GOOD[:-1], "7839 bytes after the header, not 7840"),
        (GOOD + b"?", "7841 bytes after the header, not 7840"),
        (b"\0\0\x08\xff" + b"\xff" * 4 * 255, "0 bytes after the header"),
        (idx(np.zeros((10, 27, 28), np.uint8)), "[10, 27, 28]; expected: images of 28 x 28"),
        (idx(np.zeros(10, np.uint8)), "[10]; expected: images"),
        (idx(np.zeros((0, 28, 28), np.uint8)), "[0, 28, 28]; expected: images"),
        (idx(np.zeros((11, 28, 28), np.uint8)), "shape [10]; expected: [11]"),
    ],
)
def test_broken_images(folder, data, words):
    path = folder / f"{TEST[0].name}.gz"
    path.write_bytes(gzip.compress(data))
    error(words, "t10k-")


def test_labels_that_are_no_digits(folder):
    path = folder / f"{TRAIN[1].name}.gz"
    path.write_bytes(gzip.compress(idx(np.full(30, 10, np.uint8))))
    error(str(path), "a label 10; expected: 0 to 9")


@pytest.mark.parametrize("end", [0, 5, 300, -4])
def test_a_truncated_archive(folder, end):
    path = folder / f"{TRAIN[0].name}.gz"
    path.write_bytes(path.read_bytes()[:end])
    error(str(path), "expected: the idx file train-images-idx3-ubyte")


@pytest.mark.parametrize("position", [0, 1, 2, 500, -6])
def test_a_garbled_archive(folder, position):
    path = folder / f"{TRAIN[0].name}.gz"
    data = bytearray(path.read_bytes())
    data[position] ^= 0x5A
    path.write_bytes(data)
    error(str(path), "expected: the idx file train-images-idx3-ubyte")


def test_an_archive_larger_than_sane(folder, monkeypatch):
    monkeypatch.setattr(mnist, "_MAX_BYTES", 1000)
    error("more than 1000 bytes")


def test_a_missing_file(folder):
    (folder / f"{TEST[1].name}.gz").unlink()
    error(f"ICL_MNIST_DIR = {folder}: found neither {TEST[1].name}.gz nor {TEST[1].name}")


def test_a_missing_folder(folder, monkeypatch):
    monkeypatch.setenv("ICL_MNIST_DIR", str(folder / "nowhere"))
    error(f"ICL_MNIST_DIR = {folder / 'nowhere'}: found neither")


def test_downloads_from_the_second_mirror_where_the_first_fails(folder, tmp_path, monkeypatch):
    monkeypatch.delenv("ICL_MNIST_DIR")
    asked = []

    def download(url, checksum, destination, instead):
        asked.append(url)
        assert "ICL_MNIST_DIR" in instead
        assert destination == tmp_path / "cache" / "mnist" / url.rpartition("/")[2]
        if url.startswith("https://ossci"):
            raise UserError("no network")
        return folder / destination.name

    monkeypatch.setattr(archives, "download", download)
    assert_loaded()
    assert asked[:2] == [f"{mirror}/{TRAIN[0].name}.gz" for mirror in mnist.MIRRORS]
    assert len(asked) == 8


def test_no_mirror(folder, monkeypatch):
    monkeypatch.delenv("ICL_MNIST_DIR")
    monkeypatch.setattr(mnist, "MIRRORS", ("http://127.0.0.1:9/a", "http://127.0.0.1:9/b"))
    monkeypatch.setattr("icl.files.RETRIES", 0)
    error("http://127.0.0.1:9/b", "run again", "ICL_MNIST_DIR")


def test_what_was_downloaded_is_not_fetched_again(folder, tmp_path, monkeypatch):
    monkeypatch.delenv("ICL_MNIST_DIR")
    monkeypatch.setattr(mnist, "MIRRORS", ("http://127.0.0.1:9/a",))
    (tmp_path / "cache").mkdir()
    folder.rename(tmp_path / "cache" / "mnist")
    for name in ("TRAIN", "TEST"):
        changed = [
            file._replace(
                md5=md5((tmp_path / "cache/mnist" / f"{file.name}.gz").read_bytes()).hexdigest()
            )
            for file in getattr(mnist, name)
        ]
        monkeypatch.setattr(mnist, name, changed)
    assert_loaded()
