"""Claims about the result of a sweep, as settings.

A claim is about one number of each run: `at` names a number of the learning curve of a metric in a
condition. Seeds are the sample; `where` selects cells, whose numbers are averaged.

    rises, falls    along a knob, by more than a margin; paired by seed
    above, below    a threshold
    near            a value, within a margin
    transient       falls again after its peak, by more than a margin
    coexist         two numbers are above their thresholds at the same value of a knob
    follows         cells are ordered by a statistic of their initial weights, or by its inverse

`expand_claims` expands a claim with `each` into several. `icl.config.checks.claims` checks claims
against a grid, and `icl.analysis.claims` judges them.
"""

import itertools
import json
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from icl.config.base import Settings, raise_all
from icl.config.parts import NameIn, OneOf
from icl.config.probes import PROBES

# Metrics that an evaluation records, with their labels in figures. Measures say how far learning
# has moved a network: docs/probes.md defines each. Arrays of probes are no metrics: claims and
# figures take single numbers.
MEASURES = {
    name: measure.label
    for measures in PROBES.values()
    for name, measure in measures.items()
    if not measure.axes
}
METRIC_LABELS = {
    "accuracy": "accuracy, all labels",
    "accuracy_in_context": "accuracy, labels in context",
    "loss": "loss (nats)",
    "answers_in_context": "share of answers in context",
    **MEASURES,
}
# Statistics of each weight matrix before training, defined in `icl.probes.weight_statistics`.
WEIGHT_STATISTICS = {
    "norm": "norm",
    "spectral_norm": "spectral norm",
    "spectral_radius": "spectral radius",
    "leading_eigenvalue": "leading eigenvalue",
    "effective_rank": "effective rank",
    "stable_rank": "stable rank",
    "eigenvalue_rank": "eigenvalue rank",
    "relu_growth": "ReLU growth",
}
Metric = Annotated[str, NameIn("probe", METRIC_LABELS)]
if TYPE_CHECKING:  # type checkers cannot read names from tables
    Start = str
else:
    Start = Literal[tuple(WEIGHT_STATISTICS)]
ACCURACIES = ("accuracy", "accuracy_in_context", "answers_in_context")
# Numbers of a learning curve: `icl.analysis.derived` defines each.
CurveNumber = Literal["final", "peak", "mean", "late_change", "time_to_threshold", "decay"]
LARGEST = 1e12  # in units of the metric, or of steps
Number = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]
FOR_ALL_METRICS = ("final", "mean", "late_change")  # the others are defined for accuracies only


class ClaimSettings(Settings):
    """The settings of all claims."""

    text: str = Field(min_length=1, description="the claim in words")
    condition: str
    metric: Metric
    at: CurveNumber = Field("final", description="which number of the learning curve")
    where: dict[str, Any] = Field({}, description="values of knobs, by dotted name: which cells")
    interval: Literal["t", "bootstrap"] = Field("t", description="of confidence, over seeds")

    @property
    def conditions(self) -> dict[str, str]:
        """The conditions of the claim, by the field that names them."""
        return {"condition": self.condition}

    @model_validator(mode="after")
    def _fits_metric(self) -> "ClaimSettings":
        for metric in (self.metric, getattr(self, "other_metric", self.metric)):
            if metric not in ACCURACIES and self.at not in FOR_ALL_METRICS:
                raise_all([f"at = {self.at}; allowed for {metric}: {', '.join(FOR_ALL_METRICS)}"])
        return self


class Trend(ClaimSettings):
    """The difference between two values of a knob: by default, its last and its first.

    Numbers are in ascending order, other values in the order of the grid.
    """

    along: str = Field(description="the knob, by its dotted name")
    margin: float = Field(0.05, ge=0, le=LARGEST, description="in units of the metric, or of steps")
    low: Any = Field(None, description="first value of the knob; null: the first of all")
    high: Any = Field(None, description="last value of the knob; null: the last of all")


class Rises(Trend):
    kind: Literal["rises"] = "rises"


class Falls(Trend):
    kind: Literal["falls"] = "falls"


class Above(ClaimSettings):
    kind: Literal["above"] = "above"
    threshold: Number


class Below(ClaimSettings):
    kind: Literal["below"] = "below"
    threshold: Number


class Near(ClaimSettings):
    """Equivalence: the whole interval is within the margin."""

    kind: Literal["near"] = "near"
    value: Number
    margin: float = Field(gt=0, le=LARGEST)


class Transient(ClaimSettings):
    """The decay after the peak is larger than a margin."""

    kind: Literal["transient"] = "transient"
    at: Literal["decay"] = "decay"
    margin: float = Field(0.05, ge=0, le=LARGEST)


class Coexist(ClaimSettings):
    """There is a value of the knob at which both numbers are above their thresholds."""

    kind: Literal["coexist"] = "coexist"
    along: str = Field(description="the knob, by its dotted name")
    threshold: Number
    other_condition: str
    other_metric: Metric
    other_threshold: Number

    @property
    def conditions(self) -> dict[str, str]:
        return {"condition": self.condition, "other_condition": self.other_condition}


class Follows(ClaimSettings):
    """Spearman's rank correlation with a statistic of an initial matrix is above the margin."""

    kind: Literal["follows"] = "follows"
    start: Start
    matrix: str = Field(description="a name, or a pattern of several matrices, which are averaged")
    inverse: bool = Field(False, description="the correlation is below minus the margin")
    margin: float = Field(0.0, ge=0, lt=1)


Claim = Annotated[
    Rises | Falls | Above | Below | Near | Transient | Coexist | Follows,
    OneOf("claim"),
]


def expand_claims(claims: Any) -> Any:
    """Replace a claim with `each` by one claim for every combination of the values in it.

    `each` maps knobs, by dotted name, to a list of values or to a table of values by their names in
    the text. The text holds each knob in braces, which the value or its name replaces. A value
    becomes part of `where`. A value of the knob in `along` becomes `high`, or `low` if the claim
    gives `high`. Raises ValueError with a line for each mistake.
    """
    if not isinstance(claims, list):
        return claims
    found: list[Any] = []
    for i, claim in enumerate(claims):
        if isinstance(claim, dict) and "each" in claim:
            raise_all([f"claims.{i}.{line}" for line in _each_errors(claim)])
            found += _expanded(claim)
        else:
            found.append(claim)
    return found


def places_in_file(claims: Any) -> list[int]:
    """The number in the file of each claim that `expand_claims` returns."""
    if not isinstance(claims, list):
        return []
    return [i for i, claim in enumerate(claims) for _ in expand_claims([claim])]


def _expanded(claim: dict[str, Any]) -> list[dict[str, Any]]:
    each = {
        knob: values if isinstance(values, dict) else {format_value(v): v for v in values}
        for knob, values in claim["each"].items()
    }
    found = []
    for choice in itertools.product(*(names.items() for names in each.values())):
        one = {key: value for key, value in claim.items() if key != "each"}
        for knob, (name, value) in zip(each, choice, strict=True):
            one["text"] = one["text"].replace(f"{{{knob}}}", str(name))
            if knob == one.get("along"):
                one["low" if "high" in claim else "high"] = value
            else:
                one["where"] = (one.get("where") or {}) | {knob: value}
        found.append(one)
    return found


def _each_errors(claim: dict[str, Any]) -> list[str]:
    each, text = claim["each"], claim.get("text")
    if not isinstance(each, dict) or not each:
        return [f"each = {format_value(each)}; allowed: values by the dotted name of a knob"]
    where = claim.get("where") or {}
    if not isinstance(where, dict):
        return [f"where = {format_value(where)}; allowed: a table of knobs and values"]
    errors = []
    for knob, values in each.items():
        if not isinstance(values, list | dict) or not values:
            errors.append(
                f"each.{knob} = {format_value(values)}; allowed: values in a list, or in a table "
                "by name"
            )
        if not isinstance(text, str) or f"{{{knob}}}" not in text:
            errors.append(
                f"text = {format_value(text)}; allowed: text with {{{knob}}}, to tell claims apart"
            )
        if knob in where:
            errors.append(f"where.{knob}: is also in each; allowed: in one of them")
        if knob == claim.get("along") and {"low", "high"} <= set(claim):
            errors.append(f"each.{knob}: low and high are given; allowed: one of them")
    return errors


def in_order(values: Iterable[Any]) -> list[Any]:
    """Drop repeated values; sort them if all are numbers."""
    different: list[Any] = []
    for value in values:
        if not any(is_same(value, other) for other in different):
            different.append(value)
    return sorted(different) if all(_is_number(value) for value in different) else different


def is_same(one: Any, other: Any) -> bool:
    """Whether two values of a knob are the same. Other values than numbers are compared as text."""
    if _is_number(one) and _is_number(other):
        return math.isclose(one, other, rel_tol=1e-9)
    return format_value(one) == format_value(other)


def ends_of(claim: Any, values: Iterable[Any]) -> tuple[Any, Any]:
    """The first and the last value of a knob for a claim about a trend."""
    ordered = in_order(values)
    low = ordered[0] if claim.low is None else claim.low
    return low, ordered[-1] if claim.high is None else claim.high


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool | str) and hasattr(value, "__float__")


def format_value(value: Any) -> str:
    """A value of a knob as in YAML, and as in records where values are not numbers."""
    return value if isinstance(value, str) else json.dumps(value, default=str)
