"""Several grids at once: a small panel for each, with ICL and IWL against its first knob."""

import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray
from jaxtyping import Float, Int

from icl.analysis.conditions import (
    condition_names,
    full_label,
    own_metric,
    short_label,
    standard_conditions,
)
from icl.analysis.figures.style import MAX_TICKS
from icl.analysis.names import differing, distinguishing
from icl.analysis.statistics import band
from icl.analysis.views import (
    Knob,
    along,
    chance_along,
    filled,
    is_empty,
    knobs_of,
    some,
)
from icl.config.claims import ACCURACIES

MAX_CATEGORIES = 14
MAX_TRACES = 4
MAX_TEXT, MAX_NAME = 16, 24  # characters: of a value, of a grid or a knob


class Trace(NamedTuple):
    """One condition: mean, 95 % t interval over seeds, and chance; NaN where there is none.

    label: in a legend. short: in a sentence.
    """

    label: str
    short: str
    mean: Float[np.ndarray, " place"]
    low: Float[np.ndarray, " place"]
    high: Float[np.ndarray, " place"]
    chance: Float[np.ndarray, " place"]


class Panel(NamedTuple):
    """Points of a grid along its horizontal axis.

    axis: name of the horizontal axis.
    kind: of the axis: `numbers` in ascending order or `categories` in the order of the grid, both
        at even distances, or `steps` of a grid without knobs.
    note: what the means average over, and how many runs are missing.
    """

    name: str
    axis: str
    kind: str
    texts: list[str]
    places: Float[np.ndarray, " place"]
    traces: dict[str, Trace]
    note: str


def panels_of(datasets: Mapping[str, xarray.Dataset]) -> list[Panel]:
    """A panel for each grid that has something to show, in their order."""
    found = [_panel(name, dataset) for name, dataset in datasets.items() if not is_empty(dataset)]
    return [panel for panel in found if panel.traces]


def labelled(panel: Panel) -> Int[np.ndarray, " chosen"]:
    """The places whose values are named: all categories, or some of the numbers."""
    most = MAX_CATEGORIES if panel.kind == "categories" else MAX_TICKS
    return some(len(panel.places), most)


def described(panel: Panel) -> str:
    """The panel in words and numbers, for readers who cannot see it."""
    chosen = labelled(panel)
    lines = [
        f"{trace.short}: {_numbers(trace.mean[chosen])} (chance {_range(trace.chance)})"
        for trace in panel.traces.values()
    ]
    when = "" if panel.kind == "steps" else " at the end of training"
    values = ", ".join(panel.texts[i] for i in chosen)
    note = f" ({panel.note})" if panel.note else ""
    return f"{panel.name}: accuracy{when} at {panel.axis} {values}. {'; '.join(lines)}{note}."


def cut(text: str, most: int = MAX_NAME) -> str:
    """The text, shortened to so many characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _panel(name: str, dataset: xarray.Dataset) -> Panel:
    knobs, shown = knobs_of(dataset), filled(dataset)
    if not knobs:
        places, texts = shown.step.values.astype(np.float64), [f"{n:,}" for n in shown.step.values]
        traces = _traces(dataset, shown, None, np.arange(len(places)))
        return Panel(name, "training step", "steps", texts, places, traces, _note(dataset))
    axis, values = _values(dataset, knobs[0].name)
    is_number = all(type(value) in (int, float) for value in values)
    order = np.argsort(values) if is_number else np.arange(len(values))
    return Panel(
        name,
        axis,
        "numbers" if is_number else "categories",
        [_format(values[i]) for i in order],
        np.arange(len(values), dtype=np.float64),
        _traces(dataset, shown.isel(step=-1), knobs[0], order),
        _note(dataset),
    )


def _traces(
    dataset: xarray.Dataset, shown: xarray.Dataset, knob: Knob | None, order: Int[np.ndarray, " n"]
) -> dict[str, Trace]:
    """A trace for each condition shown that has a value anywhere."""
    traces = {}
    for condition in _conditions(dataset):
        metric = own_metric(dataset, condition)
        found = band(along(shown[metric].sel(condition=condition), knob))
        mean, low, high = (part.values[order] for part in found)
        chance = chance_along(dataset, metric, condition, knob)
        if np.isfinite(mean).any():
            chance = chance[order] if knob else np.repeat(chance, len(order))
            labels = full_label(dataset, condition), short_label(dataset, condition)
            traces[condition] = Trace(*labels, mean, low, high, chance)
    return traces


def _note(dataset: xarray.Dataset) -> str:
    others = [cut(_last(knob.name)) for knob in knobs_of(dataset)[1:]]
    count = int(dataset.status.isin(("missing", "partial")).sum())
    runs = f"{dataset.status.size - count} of {dataset.status.size} runs" if count else ""
    means = f"mean over {', '.join(others)}" if others else ""
    return ", ".join(part for part in (means, runs) if part)


def _conditions(dataset: xarray.Dataset) -> list[str]:
    """One condition for each strategy, and those whose accuracies the grid's claims are about."""
    names, main = condition_names(dataset), standard_conditions(dataset)
    claimed = {
        claim[field]
        for claim in json.loads(dataset.attrs.get("claims") or "[]")
        for field, metric in (("condition", "metric"), ("other_condition", "other_metric"))
        if claim.get(metric) in ACCURACIES
    }
    return [*main, *(name for name in names if name in claimed and name not in main)][:MAX_TRACES]


def _values(dataset: xarray.Dataset, dim: str) -> tuple[str, list[Any]]:
    """A short name for an axis, and short values for its points.

    If several knobs, or several settings within a knob, vary together, the name holds only enough
    of them to distinguish the points: `kind` alone if networks differ in kind and width.
    """
    names = [str(name) for name, values in dataset.coords.items() if values.dims == (dim,)]
    names = sorted((name for name in names if name != "cell"), key=lambda name: name != dim)
    columns = {name: dataset[name].values.tolist() for name in names}
    settings = distinguishing(differing(columns)) if columns else {}
    if not settings:
        return dim, list(map(str, range(dataset.sizes[dim])))
    axis = cut(" / ".join(_last(key or knob) for knob, key in settings))
    found = [["none" if v is None else v for v in values] for values in settings.values()]
    if len(found) == 1:
        return axis, found[0]
    return axis, [" / ".join(map(_format, values)) for values in zip(*found, strict=True)]


def _format(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return cut(text.lower() if isinstance(value, bool) else text, MAX_TEXT)


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _numbers(values: Float[np.ndarray, " value"]) -> str:
    return ", ".join(f"{value:.2f}" if math.isfinite(value) else "none" for value in values)


def _range(values: Float[np.ndarray, " value"]) -> str:
    there = values[np.isfinite(values)]
    ends = dict.fromkeys(f"{end:.2g}" for end in (there.min(), there.max())) if len(there) else {}
    return " to ".join(ends) or "none"
