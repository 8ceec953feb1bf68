"""A grid of runs as settings: a base, axes over its settings, and claims about the result."""

import itertools
import json
import math
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from icl.config.base import FromList, Settings, as_whole, raise_all
from icl.config.claims import Claim, expand_claims
from icl.config.mistakes import shown
from icl.config.whole import MAX_CELLS, RANGES, expand, is_whole_setting

# What the entries of a file of a grid are, and in words.
ENTRIES: dict[str, tuple[type | tuple[type, ...], str]] = {
    "base": ((str, dict), "a config file, or a table of its settings"),
    "settings": (dict, "a table of settings, such as {data.p_bursty: 0.5}"),
    "grid": (dict, "a table of settings and lists of their values, as {data.p_bursty: [0, 1]}"),
    "zip": (list, "a list of tables of settings and lists of their values"),
    "cells": (list, "a list of tables of settings, as [{data.ways: 1, data.shots: 4}]"),
    "claims": (list, "a list of claims (docs/report.md#claims)"),
}


def coordinate(values: Iterable[Any]) -> list[Any]:
    """The values of a knob as a coordinate of arrays: all numbers, or else all texts."""
    values = list(values)
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return values
    return [value if isinstance(value, str) else json.dumps(value) for value in values]


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
    grid: dict[str, list[Any]] = Field({}, description="values of a knob, by its dotted name")
    zip: Annotated[tuple[dict[str, list[Any]], ...], FromList] = Field(
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

    @model_validator(mode="before")
    @classmethod
    def _read_entries(cls, tree: Any) -> Any:
        """Expand ranges, and read numbers such as 1e4 as 10000 where settings are whole numbers."""
        if not isinstance(tree, dict):
            return tree
        raise_all(_wrong_entries(tree))
        found, errors = dict(tree), []
        for name, table in _tables(tree):
            read = {}
            for knob, values in table.items():
                whole = is_whole_setting(knob)
                is_axis = name.startswith(("grid", "zip"))
                try:
                    values = expand(values, whole) if is_axis else values
                except ValueError as error:
                    errors.append(f"{name}.{knob} = {shown(values)}{error}")
                read[knob] = as_whole(values) if whole else values
            part, _, place = name.partition(".")
            if place:
                found[part] = [*found[part][: int(place)], read, *found[part][int(place) + 1 :]]
            else:
                found[part] = read
        raise_all(errors)
        return found

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


def _tables(tree: dict[str, Any]) -> list[tuple[str, Any]]:
    """The tables of settings in a file of a grid, each with its name."""
    parts = [(part, tree[part]) for part in ("settings", "grid") if part in tree]
    return parts + [
        (f"{part}.{i}", table)
        for part in ("zip", "cells")
        for i, table in enumerate(tree.get(part, ()))
    ]


def _wrong_entries(tree: dict[str, Any]) -> list[str]:
    """Mistakes of entries that are of another kind, such as a list in place of a table."""
    errors = [
        f"{name} = {shown(tree[name])}; allowed: {words}"
        for name, (kind, words) in ENTRIES.items()
        if name in tree and not isinstance(tree[name], (kind, tuple) if kind is list else kind)
    ]
    if errors:
        return errors
    for name, table in _tables(tree):
        part = name.partition(".")[0]
        if not isinstance(table, dict):
            words = ENTRIES["grid" if part == "zip" else "settings"][1]
            errors.append(f"{name} = {shown(table)}; allowed: {words}")
        elif part in ("grid", "zip"):
            errors += [
                f"{name}.{knob} = {shown(values)}; allowed: a list such as [a, b], {RANGES}"
                for knob, values in table.items()
                if not isinstance(values, list | dict)
            ]
    return errors
