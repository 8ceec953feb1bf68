"""Settings that are gone, which configs of earlier releases still name.

A run that used the remaining behaviour can be continued; a run that used another is an error. The
same holds of a grid, but the grid that a sweep recorded is always read: its cells are there.
"""

from typing import Any, NamedTuple

from icl.config.mistakes import shown


class Retired(NamedTuple):
    """The only value that a retired setting may still have, and why it allows no other."""

    value: Any
    reason: str


RETIRED = {"data.random_bits": Retired("threefry", "other generators were removed")}
RETIRED_OF_GRIDS = {"halving": Retired(None, "successive halving was removed")}


def drop_retired(tree: dict[str, Any], table: dict[str, Retired] = RETIRED) -> list[str]:
    """Remove the settings of a table from a tree; return a line for each with another value."""
    errors = []
    for name, retired in table.items():
        *branches, key = name.split(".")
        place: Any = tree
        for branch in branches:
            place = place.get(branch) if isinstance(place, dict) else None
        if isinstance(place, dict) and key in place:
            value = place.pop(key)
            if value != retired.value:
                errors.append(
                    f"{name} = {shown(value)}; allowed: {shown(retired.value)}, as {retired.reason}"
                )
    return errors
