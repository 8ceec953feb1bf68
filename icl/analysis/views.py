"""Views of a sweep for figures: its knobs, and means along one of them."""

import math
from typing import NamedTuple, SupportsIndex

import matplotlib
import numpy as np
import xarray
from jaxtyping import Float, Int

from icl.analysis.derived import is_undefined_at_end
from icl.analysis.figures.style import PALETTE
from icl.analysis.names import names_of
from icl.config.claims import MEASURES, METRIC_LABELS

NOT_SWEPT = ("seed", "condition", "strategy", "step", "stratum", "matrix")
TOO_CLOSE = 0.015  # share of an axis: values nearer than this look like one
ENDED = ("finished", "diverged")  # runs that have no later evaluations to wait for


class Knob(NamedTuple):
    """A swept axis: its dimension, its label, and the text and place of each value.

    scale: `linear` or `log`; `even` for numbers that are too close together on either; `names` for
    values without an order. With `even` and `names`, `places` count from 0.
    """

    name: str
    label: str
    texts: list[str]
    places: list[float]
    scale: str


def knobs_of(dataset: xarray.Dataset) -> list[Knob]:
    """The axes with more than one value, in the order of the grid."""
    return [
        _knob(dataset, str(dim))
        for dim in dataset.status.dims
        if dim not in NOT_SWEPT and dataset.sizes[dim] > 1
    ]


def is_empty(dataset: xarray.Dataset) -> bool:
    """Whether no run has been evaluated yet."""
    return not dataset.sizes["step"] or not any(metric in dataset for metric in METRIC_LABELS)


def filled(dataset: xarray.Dataset) -> xarray.Dataset:
    """The metrics, each gap along `step` filled with the evaluation before it.

    Runs evaluated at different steps can then be averaged. A run that ended early keeps its last
    value to the end. A run that is not finished has no value after its last evaluation, and a run
    that diverged no measure after it. A measure that is undefined at the last evaluation stays NaN.
    """
    metrics = dataset[[name for name in METRIC_LABELS if name in dataset]]
    is_over = dataset.status.isin(ENDED)
    shown = metrics.map(lambda values: _filled(values, is_over))
    for name in set(MEASURES) & set(shown):
        shown[name] = _filled(metrics[name], is_over & (dataset.status != "diverged"))
        shown[name] = shown[name].where(~is_undefined_at_end(dataset, name), dataset[name])
    return shown


def along(values: xarray.DataArray, knob: Knob | None) -> xarray.DataArray:
    """Means over all other knobs, NaN left out: (knob, seed, condition, step)."""
    kept = (*([knob.name] if knob else []), "seed", "condition", "step")
    mean = values.mean([dim for dim in values.dims if dim not in kept])
    return mean.transpose(*kept, missing_dims="ignore")


def what_is_averaged(dataset: xarray.Dataset, num_shown: int = 1) -> str:
    """Describe what means along so many knobs average over; empty where they average nothing."""
    is_mean = len(knobs_of(dataset)) > num_shown
    notes = ["means over the values of the other knobs"] if is_mean else []
    if count := int(dataset.status.isin(("missing", "partial")).sum()):
        notes.append(f"without {count} of {dataset.status.size} runs, missing or not finished")
    return ", ".join(notes)


def what_is_shown(dataset: xarray.Dataset, num_shown: int = 1) -> str:
    """Describe bands and bars, and what means average over."""
    bands = "95 % t intervals over seeds" if dataset.sizes["seed"] > 1 else ""
    return "; ".join(part for part in (bands, what_is_averaged(dataset, num_shown)) if part)


def chance_along(
    dataset: xarray.Dataset, metric: str, condition: str, knob: Knob | None
) -> Float[np.ndarray, " value"]:
    """The score of a random answer for each value of the knob; NaN for a metric without one."""
    name = f"{metric}_chance"
    if name not in dataset:
        return np.full(len(knob.texts) if knob else 1, np.nan)
    values = dataset[name].sel(condition=condition)
    kept = (knob.name,) if knob else ()
    return np.atleast_1d(values.mean([dim for dim in values.dims if dim not in kept]).values)


def some(count: int, most: int) -> Int[np.ndarray, " chosen"]:
    """At most so many of the indices below `count`, evenly spaced, both ends included."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def text_of(knob: Knob, place: SupportsIndex) -> str:
    """One value of a knob by itself; a number follows the name of the knob."""
    text = knob.texts[place]
    return text if knob.scale == "names" else f"{knob.name.rpartition('.')[2]} {text}"


def colors_along(knob: Knob | None, count: int) -> list[str]:
    """Colours of so many values of a knob.

    Names, unless too many, have colours that are far apart. All others go from dark to light,
    which readers with any colour vision can tell apart, also in grey.
    """
    if knob and knob.scale == "names" and count <= len(PALETTE):
        return list(PALETTE[:count])
    scale = matplotlib.colormaps["viridis"]
    return [matplotlib.colors.to_hex(scale(place)) for place in np.linspace(0, 0.85, count)]


def _knob(dataset: xarray.Dataset, dim: str) -> Knob:
    own = dataset[dim].values.tolist()
    counted = list(map(float, range(len(own))))
    with_it = [str(name) for name, values in dataset.coords.items() if values.dims == (dim,)]
    others = [name for name in with_it if name != dim]
    label = f"{dim} (with {', '.join(others)})" if others and dim != "cell" else dim
    if dim == "cell" or len(set(own)) < len(own):
        names = others if dim == "cell" and others else with_it
        texts = names_of({name: dataset[name].values.tolist() for name in names})
        return Knob(dim, label, texts, counted, "names")
    texts = names_of({dim: own})
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in own):
        return Knob(dim, label, texts, counted, "names")
    scale = _scale(np.array(own, dtype=np.float64))
    places = map(sorted(own).index, own) if scale == "even" else own
    return Knob(dim, label, texts, list(map(float, places)), scale)


def _scale(values: Float[np.ndarray, " value"]) -> str:
    """The scale on which the values are spaced most evenly and none coincide."""
    ordered = np.sort(values)
    if len(values) > 2 and ordered[0] > 0 and _unevenness(np.log(ordered)) < _unevenness(ordered):
        return "log"
    return "linear" if np.diff(ordered).min() > TOO_CLOSE * np.ptp(ordered) else "even"


def _unevenness(ordered: Float[np.ndarray, " value"]) -> float:
    gaps = np.diff(ordered)
    return float(gaps.std() / gaps.mean()) if gaps.mean() > 0 else math.inf


def _filled(values: xarray.DataArray, is_over: xarray.DataArray) -> xarray.DataArray:
    """Fill gaps along `step`: to its end where a run is over, else to the last evaluation."""
    values = values.transpose(..., "step")
    places = np.arange(values.sizes["step"])
    latest = np.maximum.accumulate(np.where(values.notnull(), places, 0), axis=-1)
    carried = values.copy(data=np.take_along_axis(values.values, latest, axis=-1))
    steps = values.step.copy(data=places)
    last = steps.where(values.notnull()).max("step")
    return carried.where(is_over | (steps <= last)).transpose(*values.dims)
