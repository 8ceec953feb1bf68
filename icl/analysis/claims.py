"""Judges the claims of a sweep: effect, interval over seeds, pass or fail.

A claim is about one number for each seed, and names a region for its mean. It passes where the
whole interval lies in the region, fails where the whole interval lies outside, and is undecided
otherwise, or with fewer than MIN_SEEDS seeds.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import xarray
from pydantic import TypeAdapter

from icl.analysis.derived import THRESHOLD, is_undefined_at_end, number_of
from icl.analysis.initial_weights import start_of
from icl.analysis.statistics import (
    INTERVALS,
    Estimate,
    effect_size,
    paired_difference,
    rank_correlation,
)
from icl.analysis.views import NOT_SWEPT
from icl.config.checks.claims import claim_errors, too_few_left
from icl.config.claims import (
    MEASURES,
    Above,
    Below,
    Claim,
    Coexist,
    Falls,
    Follows,
    Near,
    Rises,
    Transient,
    Trend,
    ends_of,
    in_order,
    is_same,
)
from icl.config.parts import find
from icl.errors import UserError

MIN_SEEDS = 3
UNFINISHED = ("partial", "missing")


class Verdict(NamedTuple):
    """The verdict on a claim; NaN where a number could not be computed.

    verdict: pass, fail or undecided. effect: mean over seeds, in units of the metric or steps; for
    `follows` a correlation. interval: 95 %, of `interval_kind`. seeds: how many were used.
    effect_size: in standard deviations over seeds, of `effect_size_kind`.
    """

    claim: str
    kind: str
    verdict: str
    effect: float
    interval: tuple[float, float]
    interval_kind: str
    seeds: int
    effect_size: float
    effect_size_kind: str
    detail: str


class Numbers(NamedTuple):
    """One number for each seed.

    bound: "lower" or "upper" if the true number may lie beyond it, because a run that never reached
    the threshold counts with its last step; "unknown" if it may lie on either side; otherwise "".
    """

    values: xarray.DataArray
    bound: str
    notes: tuple[str, ...]


class Region(NamedTuple):
    """Interval that a claim predicts for its effect, and the reference point of effect sizes."""

    low: float
    high: float
    reference: float


def judge(dataset: xarray.Dataset) -> list[Verdict]:
    """The verdicts on the claims of a sweep, in their order.

    Raises UserError with a line for each reference to what the sweep does not have.
    """
    adapter: TypeAdapter[tuple[Claim, ...]] = TypeAdapter(tuple[Claim, ...])
    claims = adapter.validate_json(dataset.attrs.get("claims") or "[]")
    errors = claim_errors(claims, _knobs(dataset), dataset.condition.values.tolist())
    if errors:
        raise UserError(*errors)
    verdicts = []
    for i, claim in enumerate(claims):
        try:
            verdicts.append(find(CLAIMS, "claim", claim.kind)(dataset, claim))
        except UserError as error:
            raise UserError(*(f"claims.{i}.{line}" for line in error.args)) from None
    return verdicts


def rises(dataset: xarray.Dataset, claim: Rises) -> Verdict:
    """The paired difference along the knob is above the margin."""
    return judge_difference(dataset, claim, Region(claim.margin, math.inf, 0.0))


def falls(dataset: xarray.Dataset, claim: Falls) -> Verdict:
    """The paired difference along the knob is below minus the margin."""
    below = 0.0 - claim.margin  # not -0.0, which messages would show
    return judge_difference(dataset, claim, Region(-math.inf, below, 0.0))


def above(dataset: xarray.Dataset, claim: Above) -> Verdict:
    """The number is above the threshold."""
    return judge_value(dataset, claim, Region(claim.threshold, math.inf, claim.threshold))


def below(dataset: xarray.Dataset, claim: Below) -> Verdict:
    """The number is below the threshold."""
    return judge_value(dataset, claim, Region(-math.inf, claim.threshold, claim.threshold))


def near(dataset: xarray.Dataset, claim: Near) -> Verdict:
    """The number is within the margin around the value."""
    low, high = claim.value - claim.margin, claim.value + claim.margin
    return judge_value(dataset, claim, Region(low, high, claim.value))


def transient(dataset: xarray.Dataset, claim: Transient) -> Verdict:
    """The decay after the peak is above the margin."""
    return judge_value(dataset, claim, Region(claim.margin, math.inf, 0.0))


def coexist(dataset: xarray.Dataset, claim: Coexist) -> Verdict:
    """Both numbers are above their thresholds at one value of the knob.

    Fails if one of them fails at every value. The verdict is about the value of the knob at which
    the smaller of the two margins is largest. It is not corrected for this choice.
    """
    found = []
    for value in in_order(dataset[claim.along].values.tolist()):
        pair = []
        for condition, metric, threshold in (
            (claim.condition, claim.metric, claim.threshold),
            (claim.other_condition, claim.other_metric, claim.other_threshold),
        ):
            cells = _select(_cells(dataset, claim), claim.along, value)
            numbers = _numbers(cells, condition, metric, claim.at)
            what = f"{claim.along} = {value}, {condition}: {metric} - {threshold:g}"
            numbers = Numbers(numbers.values - threshold, numbers.bound, (what, *numbers.notes))
            pair.append(_verdict(claim, numbers, Region(0.0, math.inf, 0.0)))
        found.append(min(pair, key=_rank))
    return max(found, key=_rank)


def follows(dataset: xarray.Dataset, claim: Follows) -> Verdict:
    """Spearman's rank correlation over cells with a statistic of initial weights, seed by seed."""
    cells = _cells(dataset, claim)
    found = _of_runs(cells, claim.condition, claim.metric, claim.at)
    starts = start_of(cells, claim.start, claim.matrix)
    count = math.prod(starts.sizes[dim] for dim in starts.dims if dim != "seed")
    notes = [f"{claim.start} of {claim.matrix}, over {count} cells", *found.notes]
    if count_missing := int(starts.isnull().sum()):
        notes.append(f"{count_missing} of {starts.size} runs do not record it for all matrices")
    if count < 3:
        notes.append("three cells are needed")
    values = rank_correlation(starts, found.values)
    is_whole = (starts + found.values).notnull().all([dim for dim in starts.dims if dim != "seed"])
    if count >= 3 and bool((is_whole & values.isnull()).any()):
        notes.append(f"{claim.start} the same in all cells, for some seeds")
    numbers = Numbers(values, "unknown" if found.bound else "", tuple(notes))
    ends = (-math.inf, 0.0 - claim.margin) if claim.inverse else (claim.margin, math.inf)
    return _verdict(claim, numbers, Region(*ends, 0.0))


# By kind of claim: (dataset, claim) -> verdict.
CLAIMS: dict[str, Callable[[xarray.Dataset, Any], Verdict]] = {
    "rises": rises,
    "falls": falls,
    "above": above,
    "below": below,
    "near": near,
    "transient": transient,
    "coexist": coexist,
    "follows": follows,
}


def _rank(verdict: Verdict) -> tuple[int, float]:
    """A key that sorts verdicts from the worst to the best."""
    place = ("fail", "undecided", "pass").index(verdict.verdict)
    return place, -math.inf if math.isnan(verdict.effect) else verdict.effect


def judge_value(dataset: xarray.Dataset, claim: Any, region: Region) -> Verdict:
    """Judge a claim that the number lies in a region."""
    numbers = _numbers(_cells(dataset, claim), claim.condition, claim.metric, claim.at)
    return _verdict(claim, numbers, region)


def judge_difference(dataset: xarray.Dataset, claim: Any, region: Region) -> Verdict:
    """Judge a claim that the difference along its knob, `low` to `high`, lies in a region."""
    cells = _cells(dataset, claim)
    values = cells[claim.along].values.tolist()
    if error := too_few_left(claim, values):
        raise UserError(error)
    ends = ends_of(claim, values)
    first, last = (
        _numbers(_select(cells, claim.along, end), claim.condition, claim.metric, claim.at)
        for end in ends
    )
    bound = last.bound
    if first.bound:  # the first number may be larger, and so the difference smaller
        bound = "unknown" if last.bound or first.bound == "unknown" else "upper"
    notes = (f"{claim.along}: {ends[0]} to {ends[1]}", *dict.fromkeys(first.notes + last.notes))
    numbers = Numbers(paired_difference(last.values, first.values), bound, notes)
    return _verdict(claim, numbers, region)


def _verdict(claim: Any, numbers: Numbers, region: Region) -> Verdict:
    values = numbers.values.values
    estimate = INTERVALS[claim.interval](values)
    verdict, why = _decide(estimate, region, numbers.bound)
    notes = [why, *numbers.notes]
    if estimate.left_out:
        why = "" if isinstance(claim, Follows) else ": no number in some cell"
        notes.append(f"{estimate.left_out} of {len(values)} seeds left out{why}")
    is_difference = isinstance(claim, Trend)
    return Verdict(
        claim=claim.text,
        kind=claim.kind,
        verdict=verdict,
        effect=estimate.mean,
        interval=(estimate.low, estimate.high),
        interval_kind=f"{estimate.kind}{', paired' if is_difference else ''}",
        seeds=estimate.num_seeds,
        effect_size=effect_size(values, region.reference),
        effect_size_kind="d_z, paired" if is_difference else f"from {region.reference:g}, in sd",
        detail="; ".join(note for note in notes if note),
    )


def _decide(estimate: Estimate, region: Region, bound: str) -> tuple[str, str]:
    """The verdict, and the reason where it is undecided."""
    if estimate.num_seeds < MIN_SEEDS:
        return "undecided", f"{estimate.num_seeds} seeds, at least {MIN_SEEDS} needed"
    # An effect that may be larger than measured is still above a lower end.
    may_grow, may_shrink = bound in ("lower", "unknown"), bound in ("upper", "unknown")
    if region.low < estimate.low and estimate.high < region.high:
        is_sure = not (may_shrink and region.low > -math.inf) and not (
            may_grow and region.high < math.inf
        )
        verdict = "pass"
    elif estimate.high < region.low or estimate.low > region.high:
        is_sure = not (may_grow if estimate.high < region.low else may_shrink)
        verdict = "fail"
    else:
        ends = [f"{end:g}" for end in (region.low, region.high) if math.isfinite(end)]
        return "undecided", f"the interval holds {' or '.join(ends)}"
    return (verdict, "") if is_sure else ("undecided", "runs that never get there may decide it")


def _numbers(cells: xarray.Dataset, condition: str, metric: str, at: str) -> Numbers:
    """The mean over all cells for each seed; NaN where a cell has no number."""
    found = _of_runs(cells, condition, metric, at)
    others = [dim for dim in found.values.dims if dim != "seed"]
    count = math.prod(found.values.sizes[dim] for dim in others)
    notes = (*found.notes, f"mean over {count} cells") if count > 1 else found.notes
    return Numbers(found.values.mean(others, skipna=False), found.bound, notes)


def _of_runs(cells: xarray.Dataset, condition: str, metric: str, at: str) -> Numbers:
    """The number of each cell and seed; NaN where there is none."""
    notes = []
    curves = _curves(cells, metric).sel(condition=condition)
    if metric in MEASURES and metric in cells:
        is_undefined = is_undefined_at_end(cells, metric).sel(condition=condition)
        if "status" in cells:
            is_undefined |= cells.status == "diverged"
        curves = curves.where(~is_undefined)
        if count := int(is_undefined.sum()):
            notes.append(f"{count} runs without such a number at their end, left out")
    if "status" in cells:
        is_unfinished = cells.status.isin(UNFINISHED)
        curves = curves.where(~is_unfinished)
        if count := int((cells.status == "diverged").sum()):
            notes.append(f"{count} of {cells.status.size} runs diverged")
        if count := int(is_unfinished.sum()):
            notes.append(f"{count} of {cells.status.size} runs not finished and left out")
    values, bound = number_of(curves, at), ""
    if at == "time_to_threshold":
        never = values.isnull() & curves.notnull().any("step")
        if count := int(never.sum()):
            bound = "lower"
            notes.append(f"{count} runs never at {THRESHOLD}: counted as their last step")
            last = curves.step.where(curves.notnull()).max("step")
            values = values.where(~never, last)
    return Numbers(values, bound, tuple(notes))


def _curves(cells: xarray.Dataset, metric: str) -> xarray.DataArray:
    """The learning curves of a metric; NaN where no run has recorded it."""
    if metric in cells:
        return cells[metric]
    coords = {dim: cells[dim] for dim in (*cells.status.dims, "condition", "step")}
    return xarray.DataArray(np.nan, coords, list(coords))


def _cells(dataset: xarray.Dataset, claim: Any) -> xarray.Dataset:
    """The cells that a claim is about. Raises UserError where there is none."""
    cells = dataset
    for knob, value in claim.where.items():
        cells = _select(cells, knob, value)
    return cells


def _select(cells: xarray.Dataset, knob: str, value: Any) -> xarray.Dataset:
    """The cells where a knob has a value. Several knobs may vary along one dimension."""
    [dim] = cells[knob].dims
    found = [i for i, other in enumerate(cells[knob].values.tolist()) if is_same(value, other)]
    if not found:
        raise UserError(
            f"where: no cell with {knob} = {value} and the rest; allowed: a cell of the grid"
        )
    return cells.isel({dim: np.array(found)})


def _knobs(dataset: xarray.Dataset) -> dict[str, list[Any]]:
    """The swept knobs, with the value at each point of their axis."""
    return {
        str(name): values.values.tolist()
        for name, values in dataset.coords.items()
        if str(name) not in NOT_SWEPT and values.ndim == 1
    }
