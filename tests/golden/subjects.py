"""The subjects of golden values: what each pins, item by item."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.golden import descriptions, grids, items, mistakes, networks, runs, sequences


@dataclass(frozen=True)
class Subject:
    """A kind of golden values.

    names: of its items.
    compute: an item's name and an empty folder to its values, as JSON has them.
    rtol: of its numbers.
    slow: items that are compared with `pytest -m slow` alone.
    """

    names: Iterable[str]
    compute: Callable[[str, Path], Any]
    rtol: float = 1e-5
    slow: frozenset[str] = frozenset()


SUBJECTS = {
    "sequences": Subject(sequences.NAMES, sequences.compute),
    "items": Subject(items.NAMES, items.compute),
    "networks": Subject(networks.NAMES, networks.compute, 1e-4, networks.SLOW),
    "runs": Subject(runs.NAMES, runs.compute, 1e-4, runs.SLOW),
    "descriptions": Subject(descriptions.NAMES, descriptions.compute, 1e-4),
    "grids": Subject(grids.NAMES, grids.compute),
    "mistakes": Subject(mistakes.NAMES, mistakes.compute),
}
