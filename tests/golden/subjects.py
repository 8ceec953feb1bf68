"""The subjects of golden values: what each pins, item by item."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import grids, items, mistakes, networks, sequences


@dataclass(frozen=True)
class Subject:
    """A kind of golden values.

    names: of its items.
    compute: an item's name and an empty folder to its values, as JSON has them.
    rtol: of its numbers.
    """

    names: Iterable[str]
    compute: Callable[[str, Path], Any]
    rtol: float = 1e-5


SUBJECTS = {
    "sequences": Subject(sequences.NAMES, sequences.compute),
    "items": Subject(items.NAMES, items.compute),
    "networks": Subject(networks.NAMES, networks.compute, 1e-4),
    "grids": Subject(grids.NAMES, grids.compute),
    "mistakes": Subject(mistakes.NAMES, mistakes.compute),
}
