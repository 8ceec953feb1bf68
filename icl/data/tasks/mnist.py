"""MNIST: 70,000 handwritten digits, 28 x 28 (LeCun, Bottou, Bengio and Haffner 1998).

Files in the idx format have two zero bytes, a type (8: unsigned bytes), the number of axes, their
lengths as big-endian 32-bit integers, then the bytes.
"""

import gzip
import math
import os
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Int32, UInt8

from icl.config.tasks import MnistImages
from icl.data.sources.archives import broken, fetch, find
from icl.errors import UserError, one_line


class LabelledImages(NamedTuple):
    """Images of digits with their labels, on the host or on the device."""

    images: UInt8[np.ndarray | Array, "image side side"]
    labels: Int32[np.ndarray | Array, " image"]


class File(NamedTuple):
    """A published file, `<name>.gz`, and its MD5."""

    name: str
    md5: str


# Images and labels, for training and for tests.
TRAIN = (
    File("train-images-idx3-ubyte", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
    File("train-labels-idx1-ubyte", "d53e105ee54ea40749a09fcbcd1e9432"),
)
TEST = (
    File("t10k-images-idx3-ubyte", "9fb629c4189551a2d022fa330f9573f3"),
    File("t10k-labels-idx1-ubyte", "ec29112dd5afa0611ce80d1b7f02629c"),
)
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist",
    "https://storage.googleapis.com/cvdf-datasets/mnist",
)
_MAX_BYTES = 1 << 28  # of an unpacked file; the largest published one is 47 MB


def load_mnist() -> tuple[LabelledImages, LabelledImages]:
    """Load the digits for training and the held-out ones; full ink is 255.

    They are read from the folder in `ICL_MNIST_DIR` (the four .gz files, or what they unpack into;
    other sets in the same format work too, such as Fashion-MNIST), or else downloaded once.

    Raises UserError where files are missing, incomplete or broken, or the download fails.
    """
    return _load(*TRAIN), _load(*TEST)


def parse_idx(data: bytes) -> UInt8[np.ndarray, "..."]:
    """Parse an idx file of unsigned bytes. Raises ValueError where it is anything else."""
    if len(data) < 4 or data[:3] != b"\0\0\x08":
        raise ValueError(f"begins with {data[:4].hex(' ') or 'nothing'}, not 00 00 08 (idx, uint8)")
    num_axes = data[3]
    start = 4 + 4 * num_axes
    if len(data) < start:
        raise ValueError(f"{len(data)} bytes, shorter than its header of {start}")
    shape = struct.unpack(f">{num_axes}I", data[4:start])
    if len(data) - start != math.prod(shape):
        raise ValueError(f"{len(data) - start} bytes after the header, not {math.prod(shape)}")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def _load(images_file: File, labels_file: File) -> LabelledImages:
    side = MnistImages.side
    path, images = _read(images_file)
    if images.ndim != 3 or images.shape[1:] != (side, side) or not len(images):
        raise _broken(path, f"shape {list(images.shape)}", f"images of {side} x {side}")
    path, labels = _read(labels_file)
    if labels.shape != images.shape[:1]:
        raise _broken(path, f"shape {list(labels.shape)}", f"[{len(images)}], as many as images")
    if labels.max() > 9:
        raise _broken(path, f"a label {labels.max()}", "0 to 9")
    return LabelledImages(images, labels.astype(np.int32))


def _read(file: File) -> tuple[Path, UInt8[np.ndarray, "..."]]:
    path = _locate(file)
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as opened:
            data = opened.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise ValueError(f"more than {_MAX_BYTES} bytes")
        return path, parse_idx(data)
    # Broken bytes make gzip and zlib raise OSError, EOFError or zlib.error.
    except Exception as error:
        raise _broken(path, one_line(error), f"the idx file {file.name}") from error


def _locate(file: File) -> Path:
    name = f"{file.name}.gz"
    if folder := os.environ.get("ICL_MNIST_DIR"):
        url = f"{MIRRORS[0]}/{name}"
        return find("ICL_MNIST_DIR", Path(folder).expanduser(), (name, file.name), url)
    names = ", ".join(f"{each.name}.gz" for each in TRAIN + TEST)
    instead = f"set ICL_MNIST_DIR to a folder that holds {names}"
    return fetch(MIRRORS, name, file.md5, "mnist", instead)


def _broken(path: Path, found: str, expected: str) -> UserError:
    return broken(path, found, expected, MIRRORS[0])
