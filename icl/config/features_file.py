"""The file of a `features` source: its arrays and their shapes, before any number is read.

The number of classes comes from it unless the config gives one, so the config looks into it.
"""

import importlib
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from icl.errors import UserError, allowed, one_line

LAYOUT = (
    "[class, exemplar, dim], or images [class, exemplar, height, width] with or without channel"
)
RANKS = (3, 4, 5)  # of vectors, grey images, colour images
COUNTS = "num_exemplars"  # the array with each class's own number of exemplars
IMAGE_EXTENSIONS = (
    ".png",
    ".jpg",
    ".jpeg",
    ".bmp",
    ".gif",
    ".tif",
    ".tiff",
    ".webp",
    ".pgm",
    ".ppm",
)


@dataclass(frozen=True)
class StoredArray:
    """An array in an open file. read: all its numbers."""

    shape: tuple[int, ...]
    is_bytes: bool
    read: Callable[[], np.ndarray]


Arrays = dict[str, StoredArray]


@contextmanager
def opened(path: str, key: str | None) -> Iterator[tuple[StoredArray, StoredArray | None]]:
    """Open a file: its exemplars and, if it has them, the numbers of exemplars of the classes.

    key: name of the array of exemplars; None: the only one beside the numbers.

    Raises UserError, also for errors while the file is open, where the file is missing or broken,
    has an extension that is not in FORMATS, or has no such array of a rank in RANKS.
    """
    file = Path(path).expanduser()
    open_file = FORMATS.get(file.suffix.lower())
    if open_file is None:
        raise wrong(path, "unknown extension", f"{', '.join(FORMATS)}, or a folder of classes")
    try:
        with open_file(path, file) as arrays:
            if key is not None and file.suffix.lower() == ".npy":
                raise UserError(
                    f"data.source.key = {key}; allowed: null, as a .npy file holds one array"
                )
            name = _choose(path, key, arrays)
            _check_shape(path, arrays[name].shape)
            yield arrays[name], arrays.get(COUNTS)
    except UserError:
        raise
    except FileNotFoundError as error:
        raise wrong(path, "no such file", "a file that exists") from error
    # Broken bytes make these libraries raise nearly anything. All mean the same to the user.
    except Exception as error:
        found = f"cannot be read ({one_line(error)})"
        raise wrong(path, found, f"a {file.suffix} file") from error


def is_folder(path: str) -> bool:
    """Whether exemplars are images in a folder of folders, not arrays in a file."""
    file = Path(path).expanduser()
    return file.is_dir() and file.suffix.lower() not in FORMATS


def class_folders(path: str) -> list[Path]:
    """The folders of the classes, by name. Raises UserError if there is none."""
    inside = Path(path).expanduser().iterdir()
    folders = sorted(one for one in inside if one.is_dir() and not one.name.startswith("."))
    if not folders:
        raise wrong(path, "holds no folders", "a folder with one folder of images for each class")
    return folders


def count_classes(path: str, key: str | None) -> int:
    """The number of classes in a file or a folder, without reading exemplars. Raises UserError."""
    if is_folder(path):
        return len(class_folders(path))
    with opened(path, key) as (exemplars, _):
        return exemplars.shape[0]


def wrong(path: str, found: str, expected: str) -> UserError:
    """The error of what a file or a folder holds."""
    return UserError(f"data.source.path = {path}: {found}; allowed: {expected}")


def _check_shape(path: str, shape: tuple[int, ...]) -> None:
    if len(shape) not in RANKS:
        raise wrong(path, f"shape {list(shape)}", LAYOUT)
    if math.prod(shape) == 0:
        raise wrong(path, f"shape {list(shape)}", "at least one of each: class, exemplar, number")


def _choose(path: str, key: str | None, names: Iterable[str]) -> str:
    """The name of the array of exemplars."""
    known = sorted(set(names) - {COUNTS})
    if not known:
        raise wrong(path, "holds no array", f"a file with {LAYOUT}")
    if key is None and len(known) == 1:
        return known[0]
    if key not in known:
        value = "null" if key is None else key
        raise UserError(f"data.source.key = {value}; {allowed(value, known)}, the arrays in {path}")
    return key


@contextmanager
def _open_npy(path: str, file: Path) -> Iterator[Arrays]:
    with open(file, "rb") as stream:
        shape, dtype = _header(stream)
        stream.seek(0)
        yield {
            "": StoredArray(
                shape,
                dtype == np.uint8,
                lambda: np.lib.format.read_array(stream, allow_pickle=False),
            )
        }


@contextmanager
def _open_npz(path: str, file: Path) -> Iterator[Arrays]:
    with open(file, "rb") as stream, np.lib.npyio.NpzFile(stream, allow_pickle=False) as arrays:
        assert arrays.zip is not None
        members = arrays.zip

        def stored(name: str) -> StoredArray:
            with members.open(f"{name}.npy") as member:
                shape, dtype = _header(member)
            return StoredArray(shape, dtype == np.uint8, lambda: arrays[name])

        yield {name: stored(name) for name in arrays.files}


@contextmanager
def _open_hdf5(path: str, file: Path) -> Iterator[Arrays]:
    h5py = _library(path, "h5py")
    found: Arrays = {}

    def note(name: str, entry: Any) -> None:
        if isinstance(entry, h5py.Dataset):
            found[name] = StoredArray(
                entry.shape, entry.dtype == np.uint8, lambda: np.asarray(entry)
            )

    with h5py.File(file, "r") as tree:
        tree.visititems(note)
        yield found


@contextmanager
def _open_safetensors(path: str, file: Path) -> Iterator[Arrays]:
    safetensors = _library(path, "safetensors")
    with safetensors.safe_open(file, framework="numpy") as tensors:

        def stored(name: str) -> StoredArray:
            part = tensors.get_slice(name)
            is_bytes = part.get_dtype() == "U8"
            return StoredArray(tuple(part.get_shape()), is_bytes, lambda: tensors.get_tensor(name))

        yield {name: stored(name) for name in tensors.keys()}  # noqa: SIM118, it is no dictionary


FORMATS: dict[str, Callable[[str, Path], AbstractContextManager[Arrays]]] = {
    ".npy": _open_npy,
    ".npz": _open_npz,
    ".h5": _open_hdf5,
    ".hdf5": _open_hdf5,
    ".safetensors": _open_safetensors,
}


def _header(stream: Any) -> tuple[tuple[int, ...], np.dtype]:
    """The shape and type of an array in NumPy's format."""
    version = np.lib.format.read_magic(stream)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in read:
        raise ValueError(f"version {version} of the format")
    shape, _, dtype = read[version](stream)
    return shape, dtype


def _library(path: str, name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(
            f"data.source.path = {path}: reading it takes {name}, which is not installed; "
            'pip install "icl[features]"'
        ) from error
