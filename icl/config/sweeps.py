"""A grid of runs as settings: a base, axes over its settings, and claims about the result."""

import itertools
import json
import math
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from icl.config.base import FromList, Settings, raise_all
from icl.config.claims import Claim, expand_claims

MAX_CELLS = 100_000


def expand(values: Any) -> Any:
    """Expand a range, `linear: [first, last, count]` or `log: [first, last, count]`, into values.

    Both ends are included. A linear range of whole numbers gives integers. Anything but a range is
    returned unchanged. Raises ValueError.
    """
    if not isinstance(values, dict):
        return values
    allowed = "allowed: a list, {linear: [FIRST, LAST, COUNT]} or {log: [FIRST, LAST, COUNT]}"
    kind, span = next(iter(values.items()), ("", None))
    if (
        len(values) != 1
        or kind not in ("linear", "log")
        or not (isinstance(span, list) and len(span) == 3 and isinstance(span[2], int))
        or not all(isinstance(end, int | float) and math.isfinite(end) for end in span[:2])
    ):
        raise ValueError(f"the range {values}; {allowed}")
    first, last, count = span
    if not 1 <= count <= MAX_CELLS:
        raise ValueError(f"the range {values}: {count} values; allowed: 1 to {MAX_CELLS}")
    if kind == "log" and min(first, last) <= 0:
        raise ValueError(f"the range {values}; allowed in a log range: numbers above 0")
    if kind == "log":
        points = [math.exp(value) for value in _spaced(math.log(first), math.log(last), count)]
    else:
        points = _spaced(float(first), float(last), count)
    points = [float(f"{point:.12g}") for point in points]  # 0.01, not 0.010000000000000002
    is_whole = kind == "linear" and all(point.is_integer() for point in points)
    return [int(point) for point in points] if is_whole else points


def coordinate(values: Iterable[Any]) -> list[Any]:
    """The values of a knob as a coordinate of arrays: all numbers, or else all texts."""
    values = list(values)
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return values
    return [value if isinstance(value, str) else json.dumps(value) for value in values]


def _spaced(first: float, last: float, count: int) -> list[float]:
    return [first + (last - first) * i / max(count - 1, 1) for i in range(count)]


Values = Annotated[list[Any], BeforeValidator(expand)]


class Axis(Settings):
    """One dimension of a grid: the values of one or several knobs at each of its points."""

    name: str
    knobs: tuple[str, ...]
    points: tuple[tuple[Any, ...], ...]


class SweepConfig(Settings):
    """A file of a grid. All axes multiply: those of `grid`, each entry of `zip`, and `cells`."""

    base: str | dict[str, Any] = Field(
        {}, description="a config file, relative to this one; or its settings"
    )
    settings: dict[str, Any] = Field({}, description="by dotted name, in place of the base's")
    grid: dict[str, Values] = Field({}, description="values of a knob, by its dotted name")
    zip: Annotated[tuple[dict[str, Values], ...], FromList] = Field(
        (), description="knobs that vary together, as many values of each"
    )
    cells: Annotated[tuple[dict[str, Any], ...], FromList] = Field(
        (), description="single points: settings by dotted name"
    )
    claims: Annotated[tuple[Claim, ...], FromList, BeforeValidator(expand_claims)] = ()

    @property
    def axes(self) -> list[Axis]:
        """The axes in the order of the file, but with that of the seed last."""
        axes = [
            Axis(name=knob, knobs=(knob,), points=tuple((value,) for value in values))
            for knob, values in self.grid.items()
        ]
        for group in self.zip:
            points = tuple(zip(*group.values(), strict=True))
            axes.append(Axis(name=next(iter(group)), knobs=tuple(group), points=points))
        if self.cells:
            knobs = tuple(self.cells[0])
            points = tuple(tuple(cell[knob] for knob in knobs) for cell in self.cells)
            axes.append(Axis(name="cell", knobs=knobs, points=points))
        return sorted(axes, key=lambda axis: axis.name == "seed")

    @property
    def points(self) -> list[dict[str, Any]]:
        """The settings of every cell, by dotted name, in the order of the axes."""
        axes = self.axes
        products = itertools.product(*(axis.points for axis in axes))
        knobs = [knob for axis in axes for knob in axis.knobs]
        return [dict(zip(knobs, itertools.chain(*product), strict=True)) for product in products]

    @model_validator(mode="after")
    def _consistent(self) -> "SweepConfig":
        errors = [
            f"grid.{knob} = []; allowed: at least 1 value"
            for knob, values in self.grid.items()
            if not values
        ]
        for i, group in enumerate(self.zip):
            counts = {knob: len(values) for knob, values in group.items()}
            if not counts or 0 in counts.values():
                errors.append(f"zip.{i} = {counts or '{}'}; allowed: at least 1 value of each knob")
            elif len(set(counts.values())) > 1:
                found = ", ".join(f"{count} of {knob}" for knob, count in counts.items())
                errors.append(f"zip.{i}: {found}; allowed: as many values of each")
        for i, cell in enumerate(self.cells):
            if not cell or set(cell) != set(self.cells[0]):
                knobs = ", ".join(cell) or "nothing"
                errors.append(f"cells.{i} sets {knobs}; allowed: the same knobs in every cell")
        swept = [*self.grid, *itertools.chain(*self.zip), *(self.cells[0] if self.cells else ())]
        errors += [
            f"{knob}: in two axes; allowed: in one"
            for knob in dict.fromkeys(swept)
            if swept.count(knob) > 1
        ]
        if "seed" in swept and "seed" not in self.grid:
            errors.append("seed: in zip or cells; allowed: in grid, an axis of its own")
        if not errors and math.prod(len(axis.points) for axis in self.axes) > MAX_CELLS:
            errors.append(f"the grid: too many cells; allowed: at most {MAX_CELLS}")
        raise_all(errors)
        return self
