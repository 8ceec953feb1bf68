"""Settings that are gone, which configs of earlier releases still name.

A run that had the only behaviour that is left goes on; a run that had another is refused.
"""

from typing import Any, NamedTuple

from icl.config.mistakes import shown


class Retired(NamedTuple):
    """The only value that a retired setting may still have, and what was removed with it."""

    value: Any
    removed: str


RETIRED = {"data.random_bits": Retired("threefry", "other generators")}


def drop_retired(tree: dict[str, Any]) -> list[str]:
    """Remove retired settings from a tree; return a line for each with another value."""
    errors = []
    for name, retired in RETIRED.items():
        *branches, key = name.split(".")
        place: Any = tree
        for branch in branches:
            place = place.get(branch) if isinstance(place, dict) else None
        if isinstance(place, dict) and key in place:
            value = place.pop(key)
            if value != retired.value:
                errors.append(
                    f"{name} = {shown(value)}; allowed: {shown(retired.value)}, as "
                    f"{retired.removed} were removed"
                )
    return errors
