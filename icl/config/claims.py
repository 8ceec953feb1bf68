"""What is claimed of the result of a sweep, as settings.

A claim is about one number of each run: `at` says which number of the learning curve of a metric in
a condition. Seeds are the sample; `where` picks cells, and the cells that are left are averaged.

    rises, falls    along a knob, by more than a margin; seed by seed
    above, below    a threshold
    near            a value, within a margin
    transient       lost again after the peak, by more than a margin
    coexist         two numbers are above their thresholds at one and the same value of a knob
    follows         cells are in the order of what their weights begin as; or in the reverse

In a file `each` makes one claim into many: `expand_claims`. `icl.analysis.claims` judges them.
"""

import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from icl.config.base import Settings, raise_all
from icl.config.probes import PROBES

# What an evaluation records, and what figures call it.
MEASURES = {
    name: measure.label for measures in PROBES.values() for name, measure in measures.items()
}
METRICS = {
    "accuracy": "accuracy, all labels",
    "accuracy_in_context": "accuracy, labels in context",
    "loss": "loss (nats)",
    "answers_in_context": "share of answers in context",
    **MEASURES,
}
# What is told of each weight matrix before training: `icl.probes.weight_statistics` defines each.
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
if TYPE_CHECKING:  # which cannot read the names off the tables
    Metric = str
    Start = str
else:
    Metric = Literal[tuple(METRICS)]
    Start = Literal[tuple(WEIGHT_STATISTICS)]
ACCURACIES = ("accuracy", "accuracy_in_context", "answers_in_context")
# Of a learning curve: `icl.analysis.derived` defines each.
CurveNumber = Literal["final", "peak", "mean", "late_change", "time_to_threshold", "decay"]
OF_OTHERS = ("final", "mean", "late_change")


class _Claim(Settings):
    """What all claims say."""

    text: str = Field(min_length=1, description="the claim in words")
    condition: str
    metric: Metric
    at: CurveNumber = Field("final", description="which number of the learning curve")
    where: dict[str, Any] = Field({}, description="values of knobs, by dotted name: which cells")
    interval: Literal["t", "bootstrap"] = Field("t", description="of confidence, over seeds")

    @property
    def conditions(self) -> dict[str, str]:
        """The conditions that the claim is about, by the field that names them."""
        return {"condition": self.condition}

    @model_validator(mode="after")
    def _of_metric(self) -> "_Claim":
        for metric in (self.metric, getattr(self, "other_metric", self.metric)):
            if metric not in ACCURACIES and self.at not in OF_OTHERS:
                raise_all([f"at = {self.at}; allowed of {metric}: {', '.join(OF_OTHERS)}"])
        return self


class _Trend(_Claim):
    """The difference between two values of a knob, the last and the first if not said.

    Numbers are in ascending order, other values in that of the grid.
    """

    along: str = Field(description="the knob, by its dotted name")
    margin: float = Field(0.05, ge=0, description="in units of the metric, or of steps")
    low: Any = Field(None, description="value of the knob to begin with; null: the first")
    high: Any = Field(None, description="value of the knob to end with; null: the last")


class Rises(_Trend):
    kind: Literal["rises"] = "rises"


class Falls(_Trend):
    kind: Literal["falls"] = "falls"


class Above(_Claim):
    kind: Literal["above"] = "above"
    threshold: float


class Below(_Claim):
    kind: Literal["below"] = "below"
    threshold: float


class Near(_Claim):
    """Equivalence: the whole interval has to be within the margin."""

    kind: Literal["near"] = "near"
    value: float
    margin: float = Field(gt=0)


class Transient(_Claim):
    """The decay after the peak is larger than a margin."""

    kind: Literal["transient"] = "transient"
    at: Literal["decay"] = "decay"
    margin: float = Field(0.05, ge=0)


class Coexist(_Claim):
    """There is a value of the knob at which both numbers are above their thresholds."""

    kind: Literal["coexist"] = "coexist"
    along: str = Field(description="the knob, by its dotted name")
    threshold: float
    other_condition: str
    other_metric: Metric
    other_threshold: float

    @property
    def conditions(self) -> dict[str, str]:
        return {"condition": self.condition, "other_condition": self.other_condition}


class Follows(_Claim):
    """Spearman's rank correlation over cells with what a matrix begins as is above the margin."""

    kind: Literal["follows"] = "follows"
    start: Start
    matrix: str = Field(description="its name, or a pattern of several, whose mean counts")
    inverse: bool = Field(False, description="the correlation is below minus the margin")
    margin: float = Field(0.0, ge=0, lt=1)


Claim = Annotated[
    Rises | Falls | Above | Below | Near | Transient | Coexist | Follows,
    Field(discriminator="kind"),
]


def expand_claims(claims: Any) -> Any:
    """In place of a claim with `each`, one for every choice of the values of the knobs there.

    each: knobs, by dotted name, with a list of values, or a table of values by what the text calls
    them. A value becomes part of `where`; of the knob that the claim goes along it is the end that
    the claim does not tell, `high` if it tells neither. The text holds each knob in braces, where
    the name of its value goes. Raises ValueError.
    """
    if not isinstance(claims, list):
        return claims
    found: list[Any] = []
    for i, claim in enumerate(claims):
        if isinstance(claim, dict) and "each" in claim:
            raise_all([f"claims.{i}.{line}" for line in _each_errors(claim)])
            found += _spread(claim)
        else:
            found.append(claim)
    return found


def places_in_file(claims: Any) -> list[int]:
    """Of each claim that `expand_claims` makes, the number of the one that it is made of."""
    if not isinstance(claims, list):
        return []
    return [i for i, claim in enumerate(claims) for _ in expand_claims([claim])]


def _spread(claim: dict[str, Any]) -> list[dict[str, Any]]:
    each = {
        knob: values if isinstance(values, dict) else {_told(value): value for value in values}
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
        return [f"each = {_told(each)}; allowed: values by the dotted name of a knob"]
    where = claim.get("where") or {}
    if not isinstance(where, dict):
        return [f"where = {_told(where)}; allowed: a table of knobs and values"]
    errors = []
    for knob, values in each.items():
        if not isinstance(values, list | dict) or not values:
            errors.append(
                f"each.{knob} = {_told(values)}; allowed: values in a list, or in a table by name"
            )
        if not isinstance(text, str) or f"{{{knob}}}" not in text:
            errors.append(f"text = {_told(text)}; allowed: with {{{knob}}}, to tell claims apart")
        if knob in where:
            errors.append(f"where.{knob}: is given, and in each; allowed: in one")
        if knob == claim.get("along") and {"low", "high"} <= set(claim):
            errors.append(f"each.{knob}: low and high are given; allowed: one of them")
    return errors


def in_order(values: Iterable[Any]) -> list[Any]:
    """Different values: numbers in ascending order, others as they come."""
    different: list[Any] = []
    for value in values:
        if not any(is_same(value, other) for other in different):
            different.append(value)
    return sorted(different) if all(_is_number(value) for value in different) else different


def is_same(one: Any, other: Any) -> bool:
    """Whether two values of a knob are the same; those that are not numbers, as they are told."""
    if _is_number(one) and _is_number(other):
        return math.isclose(one, other, rel_tol=1e-9)
    return _told(one) == _told(other)


def claim_errors(
    claims: Sequence[Claim], knobs: Mapping[str, Sequence[Any]], conditions: Sequence[str]
) -> list[str]:
    """A line for each reference to what a sweep does not have.

    knobs: those swept, by dotted name, with their values. conditions: those evaluated.
    """
    errors = []
    for i, claim in enumerate(claims):
        lines = [
            f"{field} = {name}; allowed: {', '.join(conditions)}"
            for field, name in claim.conditions.items()
            if name not in conditions
        ]
        lines += _where_errors(claim, knobs)
        if isinstance(claim, _Trend | Coexist):
            lines += _along_errors(claim, knobs)
        errors += [f"claims.{i}.{line}" for line in lines]
    return errors


def _where_errors(claim: Claim, knobs: Mapping[str, Sequence[Any]]) -> list[str]:
    errors = []
    for knob, value in claim.where.items():
        if knob not in knobs:
            errors.append(
                f"where.{knob} = {_told(value)}; allowed: knobs of the grid, {_all(knobs)}"
            )
        elif not any(is_same(value, other) for other in knobs[knob]):
            errors.append(f"where.{knob} = {_told(value)}; allowed: {_all(knobs[knob])}")
    return errors


def _along_errors(claim: Any, knobs: Mapping[str, Sequence[Any]]) -> list[str]:
    if claim.along not in knobs:
        return [f"along = {claim.along}; allowed: a knob of the grid, {_all(knobs)}"]
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
            errors.append(f"{field} = {_told(value)}; allowed: {_all(values)}")
        elif value is not None:
            places[field] = found[0]
    if not errors and places["low"] >= places["high"]:
        told = ", ".join(f"{field} = {_told(values[place])}" for field, place in places.items())
        errors.append(f"along = {claim.along}, {told}; allowed: high after low in {_all(values)}")
    return errors


def ends_of(claim: Any, values: Iterable[Any]) -> tuple[Any, Any]:
    """The values of a knob between which a claim has its difference."""
    ordered = in_order(values)
    low = ordered[0] if claim.low is None else claim.low
    return low, ordered[-1] if claim.high is None else claim.high


def too_few_left(claim: Any, values: Sequence[Any]) -> str:
    """Where there is no difference along a knob of which `where` leaves these; nothing else."""
    ends = ends_of(claim, values)
    if not is_same(*ends) and all(any(is_same(end, v) for v in values) for end in ends):
        return ""
    left = _all(in_order(values))
    return f"where: leaves {left} of {claim.along}; allowed: two of its values, low and high"


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool | str) and hasattr(value, "__float__")


def _told(value: Any) -> str:
    """As in YAML, and as records tell values that are not numbers."""
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _all(values: Iterable[Any]) -> str:
    told = [_told(value) for value in values]
    return ", ".join(told) or "none is swept"
