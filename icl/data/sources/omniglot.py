"""Omniglot: 1,623 handwritten characters of 50 alphabets, each drawn by 20 people.

Lake, Salakhutdinov and Tenenbaum (2015), Human-level concept learning through probabilistic
program induction, Science 350; https://github.com/brendenlake/omniglot.
"""

import hashlib
import io
import os
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import IO, NamedTuple, TypeVar
from zipfile import ZipFile

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from icl.config.sources import OmniglotSource
from icl.data.sources.archives import broken, fetch, find
from icl.data.sources.cache import cached
from icl.errors import UserError, one_line
from icl.types import ExemplarBank


class Part(NamedTuple):
    """A published archive, `<name>.zip`, which unpacks into `<name>/`."""

    name: str
    md5: str
    num_characters: int


PARTS = (
    Part("images_background", "68d2efa1b9178cc56df9314c21c6e718", 964),
    Part("images_evaluation", "6b91aef0f799c5bb55b94e3f2daec811", 659),
)
MIRRORS = ("https://raw.githubusercontent.com/brendenlake/omniglot/master/python",)
_SIDE = 105  # pixels
_MAX_BYTES = 1 << 16  # of one PNG; the published ones are below 1 kB, raw pixels are 11 kB
_CHUNK = 1000  # drawings: large matrix products, which threads share well, in little memory

Drawing = tuple[str, str, str]  # alphabet, character, file
Entry = TypeVar("Entry")


def load_omniglot(source: OmniglotSource) -> ExemplarBank:
    """Load all drawings: uint8 `[1623, 20, size, size]`, 0 for paper and 255 for full ink.

    Classes are sorted by archive (background, evaluation), then by alphabet and character; names
    are `images_background/<alphabet>/<character>`. Sizes below the published 105 are averages
    over areas.

    The drawings are read from the folder in `ICL_OMNIGLOT_DIR` (the two zip files, re-packed ones
    included, or the folders that they unpack into), or else downloaded once. They are decoded once
    for each size, and cached.

    Raises UserError where files are missing, incomplete or broken, or the download fails.
    """
    name = f"omniglot-{source.size}"
    num_classes = sum(part.num_characters for part in PARTS)
    shape = (num_classes, source.num_exemplars, source.size, source.size)
    if not (folder := os.environ.get("ICL_OMNIGLOT_DIR")):
        # Downloads are checked against their MD5, so the size alone identifies the bank.
        return cached(name, lambda: _decode_all(_download(), source), shape)
    try:
        paths = _find(Path(folder).expanduser())
        name += f"-{_fingerprint(paths)}"
    except OSError as error:
        raise UserError(f"ICL_OMNIGLOT_DIR = {folder}: cannot be read ({error})") from error
    return cached(name, lambda: _decode_all(paths, source), shape)


def _download() -> list[Path]:
    names = " and ".join(part.name for part in PARTS)
    instead = f"set ICL_OMNIGLOT_DIR to a folder that holds {names} (.zip)"
    return [fetch(MIRRORS, f"{name}.zip", md5, "omniglot", instead) for name, md5, _ in PARTS]


def _find(folder: Path) -> list[Path]:
    return [
        find(
            "ICL_OMNIGLOT_DIR",
            folder,
            (f"{part.name}.zip", f"{part.name}/"),
            f"{MIRRORS[0]}/{part.name}.zip",
        )
        for part in PARTS
    ]


def _fingerprint(paths: list[Path]) -> str:
    """A digest that changes when a user edits, replaces or moves files; it reads no contents."""
    digest = hashlib.sha256()
    for path in paths:
        for file in sorted(path.glob("*/*/*.png")) if path.is_dir() else [path]:
            stat = file.stat()
            digest.update(f"{file.absolute()}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:12]


def _decode_all(paths: list[Path], source: OmniglotSource) -> ExemplarBank:
    weights = _area_weights(source.size)
    names: list[str] = []
    shrunk = []
    for part, path in zip(PARTS, paths, strict=True):
        files = _read(path, part, source.num_exemplars)
        drawings = sorted(files)
        names += [
            "/".join((part.name, *drawing[:2])) for drawing in drawings[:: source.num_exemplars]
        ]
        for first in range(0, len(drawings), _CHUNK):
            chunk = drawings[first : first + _CHUNK]
            ink = np.stack([_decode(files[drawing], path, drawing) for drawing in chunk])
            shrunk.append(_shrink(ink, weights))
    exemplars = np.concatenate(shrunk)
    return ExemplarBank(
        exemplars.reshape(len(names), source.num_exemplars, *exemplars.shape[1:]), tuple(names)
    )


def _read(path: Path, part: Part, num_drawings: int) -> dict[Drawing, bytes]:
    """Read the PNG files of an archive or folder into memory; nothing is extracted onto disk."""
    try:
        if path.is_dir():
            paths = _index((file.as_posix(), file) for file in path.glob("*/*/*.png"))
            _check_counts(paths.keys(), path, part, num_drawings)
            return {drawing: _bounded(open(file, "rb")) for drawing, file in paths.items()}
        with ZipFile(path) as archive:
            members = _index((info.filename, info) for info in archive.infolist())
            _check_counts(members.keys(), path, part, num_drawings)
            return {drawing: _bounded(archive.open(info)) for drawing, info in members.items()}
    except UserError:
        raise
    # Broken archives make zipfile and zlib raise nearly anything, not only BadZipFile.
    except Exception as error:
        raise _broken(path, one_line(error), f"the PNG files of {part.name}") from error


def _index(named: Iterable[tuple[str, Entry]]) -> dict[Drawing, Entry]:
    """The entries that are drawings, whatever folders they lie under."""
    entries: dict[Drawing, Entry] = {}
    for name, entry in named:
        parts = name.replace("\\", "/").split("/")
        if len(parts) < 3 or "__MACOSX" in parts:
            continue
        alphabet, character, file = parts[-3:]
        # File managers leave files whose names begin with a dot.
        if re.fullmatch(r"character\d+", character) and re.fullmatch(r"[^.].*\.png", file):
            if (alphabet, character, file) in entries:
                raise ValueError(f"two files {alphabet}/{character}/{file}")
            entries[alphabet, character, file] = entry
    return entries


def _check_counts(drawings: Iterable[Drawing], path: Path, part: Part, num_drawings: int) -> None:
    counts = Counter(drawing[:2] for drawing in drawings)
    if len(counts) != part.num_characters:
        raise _broken(path, f"{len(counts)} characters", f"{part.num_characters} characters")
    for character, count in sorted(counts.items()):
        if count != num_drawings:
            raise _broken(path, f"{count} drawings of {'/'.join(character)}", f"{num_drawings}")


def _bounded(file: IO[bytes] | io.BufferedIOBase) -> bytes:
    """Read a small file whole; refuse a large one, whatever size the archive claims."""
    with file:
        data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise ValueError(f"a PNG of more than {_MAX_BYTES} bytes")
    return data


def _decode(data: bytes, path: Path, drawing: Drawing) -> UInt8[np.ndarray, "105 105"]:
    """The ink of a drawing; the files are black (0) on white."""
    name = "/".join(drawing)
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            image.verify()  # checksums, which decoding skips; afterwards the image is used up
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            if image.size == (_SIDE, _SIDE):  # known before any pixel is decoded
                return 255 - np.asarray(image.convert("L"))
            what = f"{name} of {image.width} x {image.height} pixels"
    # Pillow on broken bytes: OSError, SyntaxError, ValueError, struct.error, zlib.error ...
    except Exception as error:
        raise _broken(path, f"{name} unreadable ({error})", "a PNG") from error
    raise _broken(path, what, f"{_SIDE} x {_SIDE}")


def _area_weights(size: int) -> Float32[np.ndarray, "{size} 105"]:
    """The overlap of each of 105 pixels with each of `size` equal cells, in 1 / size pixel."""
    cell, pixel = np.arange(size)[:, None] * _SIDE, np.arange(_SIDE)[None] * size
    overlap = np.minimum(cell + _SIDE, pixel + size) - np.maximum(cell, pixel)
    return np.maximum(overlap, 0).astype(np.float32)


def _shrink(
    ink: UInt8[np.ndarray, "drawing 105 105"], weights: Float32[np.ndarray, "size 105"]
) -> UInt8[np.ndarray, "drawing size size"]:
    """Exact area averages, rounded.

    Weights are integers, and sums are at most 255 * 105**2 < 2**24. float32 holds them exactly, so
    that the order of summation has no effect and all machines agree. 105**2 is odd, so no average
    is halfway between two integers.
    """
    rows = np.tensordot(ink.astype(np.float32), weights, (1, 1))  # [drawing, 105, size]
    sums = np.tensordot(rows, weights, (1, 1))
    return np.rint(sums / np.float32(_SIDE**2)).astype(np.uint8)


def _broken(path: Path, found: str, expected: str) -> UserError:
    return broken(path, found, expected, MIRRORS[0])
