"""Whole-number settings by dotted name, and ranges of values."""

import math
from functools import cache
from typing import Any

from pydantic import BaseModel

from icl.config.base import is_whole, leaves_of
from icl.config.experiment import EXPERIMENTS

MAX_CELLS = 100_000
RANGES = "{linear: [FIRST, LAST, COUNT]} or {log: [FIRST, LAST, COUNT]}"


@cache
def is_whole_setting(name: str) -> bool:
    """Whether a setting is a whole number in all kinds of configs that have it."""
    found: list[Any] = list(EXPERIMENTS.values())
    for part in name.split("."):
        branches = [leaf for kind in found for leaf in leaves_of(kind)]
        found = [
            leaf.model_fields[part].annotation
            for leaf in branches
            if isinstance(leaf, type) and issubclass(leaf, BaseModel) and part in leaf.model_fields
        ]
    return bool(found) and all(map(is_whole, found))


def expand(values: Any, whole: bool = False) -> Any:
    """Expand a range, `linear: [first, last, count]` or `log: [first, last, count]`, into values.

    Both ends are included. A linear range of whole numbers gives integers. Anything but a range is
    returned unchanged.

    whole: give whole numbers, which must differ; those of a log range are rounded.

    Raises ValueError, whose message is what is wrong with the range, and what is allowed.
    """
    if not isinstance(values, dict):
        return values
    kind, span = next(iter(values.items()), ("", None))
    if (
        len(values) != 1
        or kind not in ("linear", "log")
        or not (isinstance(span, list) and len(span) == 3 and _is_count(span[2]))
        or not all(_is_finite(end) for end in span[:2])
    ):
        raise ValueError(f"; allowed: a list, {RANGES}")
    first, last, count = span
    if not 1 <= count <= MAX_CELLS:
        raise ValueError(f", {count} values; allowed: 1 to {MAX_CELLS}")
    if kind == "log" and min(first, last) <= 0:
        raise ValueError("; allowed in a log range: numbers above 0")
    if kind == "log":
        points = [math.exp(value) for value in _spaced(math.log(first), math.log(last), int(count))]
    else:
        points = _spaced(float(first), float(last), int(count))
    points = [float(f"{point:.12g}") for point in points]  # 0.01, not 0.010000000000000002
    if whole:
        rounded = [round(point) for point in points]
        if kind == "linear" and rounded != points:
            given = ", ".join(f"{point:g}" for point in points)
            raise ValueError(f", {given}; allowed: whole numbers, or a log range, which is rounded")
        if len(set(rounded)) < len(rounded):
            raise ValueError(
                f", {', '.join(map(str, rounded))} as whole numbers; allowed: a range of "
                "different whole numbers"
            )
        return rounded
    is_linear = kind == "linear" and all(point.is_integer() for point in points)
    return [int(point) for point in points] if is_linear else points


def _is_count(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value == int(value)


def _is_finite(value: Any) -> bool:
    """Whether a value is a number that a float can hold."""
    try:
        return isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:
        return False


def _spaced(first: float, last: float, count: int) -> list[float]:
    return [first + (last - first) * i / max(count - 1, 1) for i in range(count)]
