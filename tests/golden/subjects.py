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
    is_quick: whether nothing is compiled.
    """

    names: Iterable[str]
    compute: Callable[[str, Path], Any]
    rtol: float = 1e-5
    slow: frozenset[str] = frozenset()
    is_quick: bool = False


SUBJECTS = {
    "sequences": Subject(sequences.NAMES, sequences.compute, slow=sequences.SLOW),
    "items": Subject(items.NAMES, items.compute),
    "networks": Subject(networks.NAMES, networks.compute, 1e-4, networks.SLOW),
    "runs": Subject(runs.NAMES, runs.compute, 1e-4, runs.SLOW),
    "descriptions": Subject(descriptions.NAMES, descriptions.compute, 1e-4, descriptions.SLOW),
    "grids": Subject(grids.NAMES, grids.compute, is_quick=True),
    "mistakes": Subject(mistakes.NAMES, mistakes.compute, is_quick=True),
}
