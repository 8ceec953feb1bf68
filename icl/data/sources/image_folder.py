"""The user's own images: a folder with one folder for each class, one file for each exemplar."""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from icl.config.features_file import IMAGE_EXTENSIONS, class_folders, wrong
from icl.config.sources import MAX_BANK_BYTES, FeaturesSource
from icl.data.sources.on_device import aligned_empty
from icl.errors import UserError, one_line
from icl.types import ExemplarBank

# Modes of Pillow with 8 bits or fewer in a channel.
GREY = ("1", "L", "LA")
COLOUR = ("P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")


class _Kind(NamedTuple):
    """What all images have in common. size: width and height."""

    size: tuple[int, int]
    is_grey: bool


def load_image_folder(source: FeaturesSource) -> ExemplarBank:
    """Load images as uint8, `[class, exemplar, height, width]` or, in colour, `[..., 3]`.

    Classes are in the order of their folders' names, and exemplars in that of their files' names.
    Files without an extension of images, and those whose names begin with a dot, are left out.
    Images are grey if all are. Transparency is dropped.

    Raises UserError where a class has no images, where an image cannot be read, has more than 8
    bits in a channel or another size than the first, and where all together are too large.
    """
    if source.key is not None:
        raise UserError(
            f"data.source.key = {source.key}; allowed: null, as {source.path} is a folder"
        )
    folders = class_folders(source.path)
    files = [_images_in(source, folder) for folder in folders]
    kind = _common_kind(source, [file for inside in files for file in inside])
    counts = np.array([len(inside) for inside in files], np.int32)
    width, height = kind.size
    shape = (len(files), int(counts.max()), height, width, *(() if kind.is_grey else (3,)))
    if math.prod(shape) > MAX_BANK_BYTES:
        raise wrong(
            source.path,
            f"images of shape {list(shape)} take {math.prod(shape):.3g} bytes",
            f"at most {MAX_BANK_BYTES:.3g}",
        )
    bank = aligned_empty(shape, np.uint8)
    bank[...] = 0
    for images, inside in zip(bank, files, strict=True):
        for image, file in zip(images, inside, strict=False):
            image[...] = _read(source, file, kind)
    is_equal = counts.min() == counts.max()
    names = tuple(folder.name for folder in folders)
    return ExemplarBank(bank, names, None if is_equal else counts)


def _images_in(source: FeaturesSource, folder: Path) -> list[Path]:
    files = sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in IMAGE_EXTENSIONS and not file.name.startswith(".")
    )
    if not files:
        allowed = f"images in each folder: {', '.join(IMAGE_EXTENSIONS)}"
        raise wrong(source.path, f"no images in {folder.name}", allowed)
    return files


def _common_kind(source: FeaturesSource, files: list[Path]) -> _Kind:
    """The size of all images, and whether all are grey; only their headers are read."""
    first: tuple[int, int] | None = None
    is_grey = True
    for file in files:
        try:
            with Image.open(file) as image:
                size, mode = image.size, image.mode
        except Exception as error:
            raise _unreadable(source, file, error) from error
        first = first or size
        if mode not in GREY + COLOUR:
            allowed = "images with 8 bits in a channel"
            raise wrong(source.path, f"{_short(file)} is of mode {mode}", allowed)
        if size != first:
            found = f"{_short(file)} has {size[0]} x {size[1]} pixels"
            allowed = f"{first[0]} x {first[1]}, as {_short(files[0])}"
            raise wrong(source.path, found, allowed)
        is_grey = is_grey and mode in GREY
    assert first is not None
    return _Kind(first, is_grey)


def _read(source: FeaturesSource, file: Path, kind: _Kind) -> UInt8[np.ndarray, "h w *channel"]:
    try:
        with Image.open(file) as image:
            return np.asarray(image.convert("L" if kind.is_grey else "RGB"))
    # Pillow on broken bytes: OSError, SyntaxError, ValueError, struct.error, zlib.error ...
    except Exception as error:
        raise _unreadable(source, file, error) from error


def _unreadable(source: FeaturesSource, file: Path, error: Exception) -> UserError:
    return wrong(source.path, f"{_short(file)} cannot be read ({one_line(error)})", "an image")


def _short(file: Path) -> str:
    return f"{file.parent.name}/{file.name}"
