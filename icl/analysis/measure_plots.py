"""How rich or lazy learning was, for print: measures at the end against a knob, and over time."""

import numpy as np
import xarray
from matplotlib.figure import Figure

from icl.analysis.statistics import band
from icl.analysis.style import apply_style, colors_of, tell_above
from icl.analysis.views import (
    Knob,
    along,
    conditions_of,
    filled,
    knobs_of,
    ordered_colors,
    some,
    what_is_shown,
)
from icl.config.claims import MEASURES, METRICS

SHOWN = (
    "weight_change",
    "representation_alignment",
    "kernel_alignment",
    "sign_similarity",
)
MARKERS = ("o", "s", "^", "D")
MAX_GROUPS, MAX_LINES = 4, 5


def draw_measures(dataset: xarray.Dataset) -> dict[str, Figure]:
    """A figure for each knob that is a number: above at the end, below over training.

    Lines above are values of the first other knob, or conditions where there is none; lines below
    values of the knob, of the first condition and averaged over other knobs. Bands are 95 % over
    seeds.
    """
    knobs = knobs_of(dataset)
    if not set(MEASURES) & set(dataset):
        return {}
    numbers = [knob for knob in knobs if knob.scale != "category"]
    return {
        f"measures_{knob.name}": _draw(dataset, knob, next((k for k in knobs if k != knob), None))
        for knob in numbers
    }


def _draw(dataset: xarray.Dataset, knob: Knob, other: Knob | None) -> Figure:
    measures = [name for name in SHOWN if name in dataset]
    figure = Figure(figsize=(2.2 * len(measures), 4.8), layout="constrained")
    panels = figure.subplots(2, len(measures), squeeze=False)
    shown = filled(dataset)
    for column, measure in enumerate(measures):
        _draw_ends(panels[0, column], shown[measure].isel(step=-1), knob, other)
        _draw_courses(panels[1, column], shown[measure], knob)
        panels[0, column].set_title(METRICS[measure])
        is_share = measure != "weight_change"
        for axes in panels[:, column]:
            axes.set_ylim(0, 1.02 if is_share else None)
            apply_style(axes)
    panels[0, 0].set_ylabel("at the end")
    panels[1, 0].set_ylabel("over training")
    for row, title in enumerate((other.label if other else "", knob.label)):
        handles, texts = panels[row, 0].get_legend_handles_labels()
        panels[row, -1].legend(
            handles, texts, title=title, fontsize=6.5, title_fontsize=7, frameon=False
        )
    tell_above(figure, what_is_shown(dataset))
    return figure


def _draw_ends(axes, values: xarray.DataArray, knob: Knob, other: Knob | None) -> None:
    """The number at the end against the knob, at even distances."""
    for i, (label, color, part) in enumerate(_groups(values, knob, other)):
        places = np.arange(len(knob.texts))
        order = np.argsort(knob.places)
        mean, low, high = (side.values[order] for side in band(part))
        axes.fill_between(places, low, high, color=color, alpha=0.18, linewidth=0)
        look = {"marker": MARKERS[i % len(MARKERS)], "markersize": 4, "linewidth": 1.3}
        axes.plot(places, mean, color=color, label=label, **look)
        axes.set_xticks(places, [knob.texts[place] for place in order])
    axes.set_xlabel(knob.label)


def _groups(
    values: xarray.DataArray, knob: Knob, other: Knob | None
) -> list[tuple[str, str, xarray.DataArray]]:
    """Label, colour and (knob, seed) of each line."""
    conditions = conditions_of(values.to_dataset(name="values"))
    if other is None:
        return [
            (name, color, along(values.sel(condition=name), knob))
            for name, color in colors_of(conditions).items()
        ]
    chosen = some(len(other.texts), MAX_GROUPS)
    first = values.sel(condition=conditions[0])
    texts = [other.texts[place] for place in chosen]
    return [
        (text, color, along(first.isel({other.name: place}), knob))
        for place, (text, color) in zip(chosen, colors_of(texts).items(), strict=True)
    ]


def _draw_courses(axes, values: xarray.DataArray, knob: Knob) -> None:
    """A line for each value of the knob against the training step."""
    first = values.sel(condition=conditions_of(values.to_dataset(name="values"))[0])
    mean, low, high = band(along(first, knob))
    order = np.argsort(knob.places)
    chosen = [order[i] for i in some(len(order), MAX_LINES)]
    for place, color in zip(chosen, ordered_colors(len(chosen)), strict=True):
        line, bottom, top = (part.isel({knob.name: place}) for part in (mean, low, high))
        axes.plot(values.step, line, color=color, linewidth=1.3, label=knob.texts[place])
        axes.fill_between(values.step, bottom, top, color=color, alpha=0.15, linewidth=0)
    axes.set_xlabel("training step")
    axes.locator_params(axis="x", nbins=4)
