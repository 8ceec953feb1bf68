"""The user's own probabilities of classes: their type, and what is wrong with the numbers."""

from typing import Annotated, Any

import numpy as np
from jaxtyping import Float64
from pydantic import BeforeValidator, Field

FIELD = "data.class_probabilities"
ALLOWED = "a list of numbers, a file .npy, .csv or .txt, or null"
MAX_WEIGHT = 1e30
SMALLEST_SHARE = 2.0**-32  # the unit of the tables that classes are drawn from


def _parse(value: Any) -> tuple[float, ...] | str | None:
    if value is None or (isinstance(value, str) and value):
        return value
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(f"{FIELD} = {str(value)[:50] or 'an empty text'}; allowed: {ALLOWED}")
    for i, number in enumerate(value):
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise ValueError(f"{FIELD}.{i} = {str(number)[:50]}; allowed: a number above 0")
        if not 0 <= number <= MAX_WEIGHT:
            raise ValueError(f"{FIELD}.{i} = {number}; allowed: a finite number above 0")
    return tuple(map(float, value))


ClassProbabilities = Annotated[
    tuple[Annotated[float, Field(ge=0, le=MAX_WEIGHT)], ...] | str | None,
    BeforeValidator(_parse),  # one line for each mistake, where a union has one for each type
    Field(description="probability of each training class, most frequent first; or a file of them"),
]


def probability_errors(
    numbers: Float64[np.ndarray, " class"], num_classes: int, path: str | None = None
) -> list[str]:
    """The first mistake in probabilities of classes, which need not sum to 1.

    path: of their file; None: they are a list in the config.
    """

    def line(index: int | None, found: str, allowed: str) -> list[str]:
        if path is None:
            place = FIELD if index is None else f"{FIELD}.{index}"
            return [f"{place} = {found}; allowed: {allowed}"]
        place = "" if index is None else f"number {index} is "
        return [f"{FIELD} = {path}: {place}{found}; allowed: {allowed}"]

    if len(numbers) != num_classes:
        allowed = f"{num_classes} of them, one for each of data.num_classes"
        return line(None, f"{len(numbers)} numbers", allowed)
    bad = ~(np.isfinite(numbers) & (numbers > 0))
    if bad.any():
        first = int(bad.argmax())
        return line(first, f"{numbers[first]:.6g}", "a finite number above 0")
    rises = np.diff(numbers) > 0
    if rises.any():
        first = int(rises.argmax()) + 1
        found = f"{numbers[first]:.6g} after {numbers[first - 1]:.6g}"
        return line(first, found, "numbers in descending order, as class 0 is the most frequent")
    scaled = numbers / numbers[0]  # of which the sum is finite
    share = scaled[-1] / scaled.sum()
    if share < SMALLEST_SHARE:
        allowed = f"at least 2^-32 = {SMALLEST_SHARE:.3g} of their sum"
        return line(len(numbers) - 1, f"{share:.3g} of the sum of all", allowed)
    return []
