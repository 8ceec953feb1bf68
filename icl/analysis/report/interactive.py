"""The data of a report's interactive figures, as JSON that its script draws with plotly.

It holds only what is drawn: means, intervals and single seeds along each knob, and means over
seeds for each pair of knobs. Evaluations are thinned out so that the page stays small.
"""

import itertools
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import xarray
from jaxtyping import Float

from icl.analysis.conditions import (
    conditions_of,
    first_metric,
    main_conditions,
    own_metric,
    short_label,
)
from icl.analysis.figures.style import colors_of
from icl.analysis.statistics import band
from icl.analysis.views import (
    Knob,
    along,
    chance_along,
    colors_along,
    filled,
    knobs_of,
    some,
)
from icl.config.claims import METRIC_LABELS

BUDGET = 450_000  # numbers in all figures of a sweep, some six bytes each
MAX_STEPS, MIN_STEPS = 60, 3
MAX_PAIRS = 6
DIGITS = 4  # significant


def figure_data(dataset: xarray.Dataset, budget: int = BUDGET) -> dict[str, Any]:
    """All that the report's script needs to draw a sweep, as JSON; null is a missing number."""
    knobs, conditions = knobs_of(dataset), conditions_of(dataset)
    metrics = [name for name in METRIC_LABELS if name in dataset]
    lines: list[Knob | None] = [*knobs] or [None]
    shown = filled(dataset)
    pairs = list(itertools.combinations(knobs, 2))[:MAX_PAIRS]
    size = _numbers_per_step(dataset, knobs, pairs) * len(metrics) * len(conditions)
    most = max(MIN_STEPS, min(MAX_STEPS, budget // max(size, 1)))
    shown = shown.isel(step=some(shown.sizes["step"], most))
    colors = colors_of(conditions)
    return {
        "steps": shown.step.values.tolist(),
        "metrics": {name: METRIC_LABELS[name] for name in metrics},
        "first": first_metric(dataset),
        "conditions": [
            {
                "name": name,
                "label": short_label(dataset, name),
                "meaning": condition.label or name,
                "color": colors[name],
                "own": own_metric(dataset, name),
                "isMain": name in main_conditions(dataset),
            }
            for name, condition in conditions.items()
        ],
        "knobs": [_described(knob) for knob in knobs],
        "lines": [_lines(dataset, shown, metrics, knob) for knob in lines],
        "pairs": [_pair(dataset, shown, metrics, *pair) for pair in pairs],
    }


def _numbers_per_step(
    dataset: xarray.Dataset, knobs: list[Knob], pairs: list[tuple[Knob, Knob]]
) -> int:
    """Number of values that one metric of one condition needs at a step."""
    lines = sum(len(knob.texts) for knob in knobs) or 1
    cells = sum(len(x.texts) * len(y.texts) for x, y in pairs)
    return lines * (3 + dataset.sizes["seed"]) + cells


def _described(knob: Knob) -> dict[str, Any]:
    return knob._asdict() | {"colors": colors_along(knob, len(knob.texts))}


def _lines(
    dataset: xarray.Dataset, shown: xarray.Dataset, metrics: Iterable[str], knob: Knob | None
) -> dict[str, Any]:
    """Metric -> arrays over (condition, value of the knob, step), with seeds before the step."""
    found = {}
    for metric in metrics:
        values = along(shown[metric], knob)
        order = ("condition", *([knob.name] if knob else []), "step")
        mean, low, high = (_value_axis(part.transpose(*order), knob) for part in band(values))
        seeds = _value_axis(values.transpose(*order[:-1], "seed", "step"), knob)
        chances = [chance_along(dataset, metric, name, knob) for name in conditions_of(dataset)]
        found[metric] = {
            "mean": _plain(mean),
            "low": _plain(low),
            "high": _plain(high),
            "seeds": _plain(seeds),
            "chance": _plain(np.array(chances)),
        }
    return found


def _value_axis(values: xarray.DataArray, knob: Knob | None) -> Float[np.ndarray, "..."]:
    """The array, with an axis of length 1 where no knob is swept."""
    return values.values if knob else values.values[:, None]


def _pair(
    dataset: xarray.Dataset, shown: xarray.Dataset, metrics: Iterable[str], x: Knob, y: Knob
) -> dict[str, Any]:
    """Metric -> means over (condition, y, x, step); and the number of runs over (y, x)."""
    others = [dim for dim in dataset.status.dims if dim not in (x.name, y.name)]
    is_there = dataset.status != "missing"
    order = ("condition", y.name, x.name, "step")
    return {
        "x": x.name,
        "y": y.name,
        "runs": is_there.sum(others).transpose(y.name, x.name).values.tolist(),
        "of": math.prod(dataset.sizes[dim] for dim in others),
        "values": {
            metric: _plain(
                shown[metric].mean([*others]).transpose(*order).values,
            )
            for metric in metrics
        },
    }


def _plain(values: Float[np.ndarray, "..."]) -> Any:
    """Nested lists of rounded numbers; None where there is none."""
    if values.ndim > 1:
        return [_plain(part) for part in values]
    return [float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None for value in values]
