"""Checks that claims fit a grid: a line for each reference to a cell that the grid lacks."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from icl.config.claims import (
    ClaimSettings,
    Coexist,
    Trend,
    ends_of,
    format_value,
    in_order,
    is_same,
)
from icl.config.experiment import AnyConfig
from icl.config.probes import probe_of
from icl.config.sweeps import Axis, SweepConfig, coordinate
from icl.errors import allowed


def grid_claim_errors(sweep: SweepConfig, configs: Sequence[AnyConfig]) -> list[str]:
    """Mistakes in the claims of a grid, given the configs of its cells."""
    if not configs:  # every cell has a mistake: these come first
        return []
    conditions = sorted({name for config in configs for name in config.evaluation.conditions})
    errors = claim_errors(sweep.claims, _all_knobs(sweep), conditions)
    errors = errors or _cell_errors(sweep)
    return errors + _metric_errors(sweep.claims, configs)


def dropped_by_override(sweep: SweepConfig, in_file: SweepConfig) -> tuple[ClaimSettings, ...]:
    """Claims that fit the axes of the file, but not those that the command line replaces."""

    def fits(claim: ClaimSettings, axes: SweepConfig) -> bool:
        return not claim_errors([claim], _all_knobs(axes), list(claim.conditions.values()))

    return tuple(c for c in sweep.claims if fits(c, in_file) and not fits(c, sweep))


def claim_errors(
    claims: Sequence[ClaimSettings], knobs: Mapping[str, Sequence[Any]], conditions: Sequence[str]
) -> list[str]:
    """Mistakes in claims about knobs, values and conditions that a sweep does not have.

    knobs: the swept knobs, by dotted name, with their values. conditions: those evaluated.
    """
    errors = []
    for i, claim in enumerate(claims):
        lines = [
            f"{field} = {name}; {allowed(name, conditions)}"
            for field, name in claim.conditions.items()
            if name not in conditions
        ]
        lines += _where_errors(claim, knobs)
        if isinstance(claim, Trend | Coexist):
            lines += _along_errors(claim, knobs)
        errors += [f"claims.{i}.{line}" for line in lines]
    return errors


def too_few_left(claim: Any, values: Sequence[Any]) -> str:
    """The mistake of a trend whose `where` leaves fewer than two values of its knob, or nothing."""
    ends = ends_of(claim, values)
    if not is_same(*ends) and all(any(is_same(end, v) for v in values) for end in ends):
        return ""
    left = _listed(in_order(values))
    return f"where: leaves {left} of {claim.along}; allowed: two of its values, low and high"


def _where_errors(claim: ClaimSettings, knobs: Mapping[str, Sequence[Any]]) -> list[str]:
    errors = []
    for knob, value in claim.where.items():
        field = f"where.{knob} = {format_value(value)}"
        if knob not in knobs:
            errors.append(f"{field}; allowed: knobs of the grid, {_listed(knobs)}")
        elif not any(is_same(value, other) for other in knobs[knob]):
            errors.append(f"{field}; allowed: {_listed(knobs[knob])}")
    return errors


def _along_errors(claim: Any, knobs: Mapping[str, Sequence[Any]]) -> list[str]:
    if claim.along not in knobs:
        return [f"along = {claim.along}; allowed: a knob of the grid, {_listed(knobs)}"]
    if claim.along in claim.where:
        return [f"where.{claim.along}: the claim goes along this knob; allowed: another"]
    if isinstance(claim, Coexist):
        return []
    values = in_order(knobs[claim.along])
    places = {"low": 0, "high": len(values) - 1}
    errors = []
    for field in places:
        value = getattr(claim, field)
        found = [i for i, other in enumerate(values) if is_same(value, other)]
        if value is not None and not found:
            errors.append(f"{field} = {format_value(value)}; allowed: {_listed(values)}")
        elif value is not None:
            places[field] = found[0]
    if not errors and places["low"] >= places["high"]:
        ends = ", ".join(
            f"{field} = {format_value(values[place])}" for field, place in places.items()
        )
        errors.append(
            f"along = {claim.along}, {ends}; allowed: high after low in {_listed(values)}"
        )
    return errors


def _cell_errors(sweep: SweepConfig) -> list[str]:
    """Mistakes in claims about cells that are missing, as where knobs vary together."""
    errors = []
    for i, claim in enumerate(sweep.claims):
        for knobs in map(_knobs, sweep.axes):
            where = {knob: value for knob, value in claim.where.items() if knob in knobs}
            places = [
                place
                for place in range(max(map(len, knobs.values()), default=0))
                if all(is_same(knobs[knob][place], value) for knob, value in where.items())
            ]
            if where and not places:
                cell = " and ".join(f"{knob} = {value}" for knob, value in where.items())
                errors.append(f"claims.{i}.where: no cell with {cell}; allowed: a cell of the grid")
            elif isinstance(claim, Trend) and claim.along in knobs:
                found = too_few_left(claim, [knobs[claim.along][place] for place in places])
                errors += [f"claims.{i}.{found}"] if found else []
    return errors


def _metric_errors(claims: Sequence[ClaimSettings], configs: Sequence[AnyConfig]) -> list[str]:
    """Mistakes in claims about metrics that not all cells record."""
    on = set.intersection(*(set(config.evaluation.probes) for config in configs))
    errors = [
        f"claims.{i}.metric = {claim.metric}; allowed where evaluation.probes has {probe}"
        for i, claim in enumerate(claims)
        if (probe := probe_of(claim.metric)) and probe not in on
    ]
    if not all(config.has_context for config in configs):
        errors += [
            f"claims.{i}.{field} = accuracy_in_context; allowed: other metrics, such as "
            "accuracy or loss, because tasks have no context"
            for i, claim in enumerate(claims)
            for field in ("metric", "other_metric")
            if getattr(claim, field, "") == "accuracy_in_context"
        ]
    return errors


def _knobs(axis: Axis) -> dict[str, list[Any]]:
    """The knobs of an axis that claims can name, with their values at each point."""
    columns = zip(axis.knobs, zip(*axis.points, strict=True), strict=True)
    knobs = {knob: coordinate(values) for knob, values in columns if knob != "seed"}
    return ({"cell": list(range(len(axis.points)))} if axis.name == "cell" else {}) | knobs


def _all_knobs(sweep: SweepConfig) -> dict[str, list[Any]]:
    return {knob: values for axis in sweep.axes for knob, values in _knobs(axis).items()}


def _listed(values: Iterable[Any]) -> str:
    return ", ".join(map(format_value, values)) or "none is swept"
