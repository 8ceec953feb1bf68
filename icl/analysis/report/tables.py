"""Tables of the report in HTML: verdicts, numbers of learning curves, missing cells."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from urllib.parse import quote

import numpy as np
import xarray

from icl.analysis.claims import Verdict
from icl.analysis.conditions import condition_names, own_metric, own_metrics, short_label
from icl.analysis.derived import THRESHOLD, derive
from icl.analysis.statistics import t_interval
from icl.analysis.views import ENDED, knobs_of
from icl.config.claims import METRIC_LABELS

SIGNS = {"pass": "✓", "fail": "✗", "undecided": "?"}  # beside colours, for readers who see none
MAX_ROWS = 120  # a table of more cells has the means along each knob instead
MAX_MISSING = 200
MAX_OPEN_ROWS = 6  # a longer table starts folded

TableCell = tuple[str, str, str]  # heading, class, HTML


def number(value: float, digits: int = 3) -> str:
    """A number with so many significant digits, or all before the point; `none` if not finite."""
    if not math.isfinite(value):
        return "none"
    return f"{value:,.0f}" if abs(value) >= 10**digits else f"{value:.{digits}g}"


def interval(low: float, high: float) -> str:
    """Both ends of an interval; `none` where there is no interval."""
    return f"{number(low)} to {number(high)}" if math.isfinite(low) else "none"


def all_verdicts_table(verdicts: Mapping[str, Sequence[Verdict]]) -> str:
    """The verdicts of all grids in a few columns, with links to the sections of the grids."""
    rows: list[list[TableCell]] = [
        [
            _verdict_cell(verdict),
            ("grid", "grid", f'<a href="#{quote(name)}">{escape(name)}</a>'),
            ("claim", "claim", escape(verdict.claim)),
            ("effect", "number", number(verdict.effect)),
            ("95 % interval", "number", interval(*verdict.interval)),
            ("seeds", "number", str(verdict.seeds)),
        ]
        for name, of_grid in verdicts.items()
        for verdict in of_grid
    ]
    return html_table(rows, "compact")


def verdict_table(verdicts: Sequence[Verdict]) -> str:
    """The verdicts of one grid; empty where nothing is claimed."""
    if not verdicts:
        return ""
    rows: list[list[TableCell]] = [
        [
            _verdict_cell(verdict),
            (
                "claim",
                "claim",
                f"{escape(verdict.claim)}<small>{escape(verdict.detail)}</small>",
            ),
            ("effect", "number", number(verdict.effect)),
            (
                "95 % interval",
                "number",
                f"<span>{interval(*verdict.interval)}"
                f"<small>{escape(verdict.interval_kind)}</small></span>",
            ),
            ("seeds", "number", str(verdict.seeds)),
            (
                "effect size",
                "number",
                f"<span>{number(verdict.effect_size)}"
                f"<small>{escape(verdict.effect_size_kind)}</small></span>",
            ),
        ]
        for verdict in verdicts
    ]
    return f"<h3>Claims</h3>\n{html_table(rows)}"


def derived_table(dataset: xarray.Dataset) -> str:
    """Numbers of each learning curve: its end, peak, decay, and time to the threshold."""
    is_over = dataset.status.isin(ENDED)
    derived = derive(
        dataset.assign({m: dataset[m].where(is_over) for m in METRIC_LABELS if m in dataset})
    )
    rows = [
        [
            *((knob, "", escape(value)) for knob, value in place.items()),
            ("condition", "", escape(short_label(dataset, condition))),
            *_numbers(part.sel(condition=condition), own_metric(dataset, condition)),
        ]
        for place, part in _groups(derived)
        for condition in condition_names(dataset)
    ]
    note = (
        '<p class="note">Mean over runs that ended ± half the 95 % t interval over seeds. '
        f"Peak: of means over 3 evaluations. Steps to {THRESHOLD:g}: of the runs that get there "
        f"and stay for two evaluations.{_which_accuracy(dataset)}</p>"
    )
    return folded(
        "Numbers of the learning curves",
        note + html_table(rows),
        is_open=len(rows) <= MAX_OPEN_ROWS,
    )


def _which_accuracy(dataset: xarray.Dataset) -> str:
    own = own_metrics(dataset)
    if len(own) > 1:
        return " ICL among the labels in context, IWL over all labels."
    return " Among the labels in context." if own == {"accuracy_in_context"} else ""


def missing_list(missing: Sequence[str]) -> str:
    """The runs that are not finished; empty where there are none."""
    if not missing:
        return ""
    items = "".join(f"<li>{escape(text)}</li>" for text in missing[:MAX_MISSING])
    more = len(missing) - MAX_MISSING
    rest = f"<p>and {more} more</p>" if more > 0 else ""
    return folded(f"Runs that are not finished: {len(missing)}", f"<ul>{items}</ul>{rest}")


def folded(title: str, body: str, is_open: bool = False) -> str:
    """A body that unfolds below its title; empty where the body is."""
    if not body:
        return ""
    return f"<details{' open' if is_open else ''}><summary>{title}</summary>\n{body}</details>"


def _verdict_cell(verdict: Verdict) -> TableCell:
    sign = f"<span><b>{SIGNS[verdict.verdict]}</b>{verdict.verdict}</span>"
    return "verdict", f"verdict {verdict.verdict}", sign


def _groups(derived: xarray.Dataset) -> Iterator[tuple[dict[str, str], xarray.Dataset]]:
    """Every cell; or, of too many cells, every value of every knob."""
    knobs = knobs_of(derived)
    choices: list[tuple[int | None, ...]] = list(
        itertools.product(*(range(len(knob.texts)) for knob in knobs))
    )
    if len(choices) * derived.sizes["condition"] > MAX_ROWS:
        choices = [
            tuple(i if other is knob else None for other in knobs)
            for knob in knobs
            for i in range(len(knob.texts))
        ]
    for choice in choices:
        chosen = {knob.name: i for knob, i in zip(knobs, choice, strict=True) if i is not None}
        place = {
            knob.name: knob.texts[chosen[knob.name]] if knob.name in chosen else "all"
            for knob in knobs
        }
        yield place, derived.isel(chosen)


def _numbers(cells: xarray.Dataset, metric: str) -> list[TableCell]:
    times = cells[f"{metric}_time_to_threshold"]
    count = int(cells[f"{metric}_final"].notnull().sum())
    reached = f"<small>{int(times.notnull().sum())} of {count} runs</small>"
    return [
        ("final", "number", _mean(cells[f"{metric}_final"])),
        ("peak", "number", _mean(cells[f"{metric}_peak"])),
        ("at step", "number", _mean(cells[f"{metric}_peak_step"])),
        ("decay", "number", _mean(cells[f"{metric}_decay"])),
        (f"steps to {THRESHOLD:g}", "number", f"<span>{_mean(times)}{reached}</span>"),
    ]


def _mean(values: xarray.DataArray) -> str:
    others = [dim for dim in values.dims if dim != "seed"]
    estimate = t_interval(np.asarray(values.mean(others).values))
    half = (estimate.high - estimate.low) / 2
    spread = f" ± {number(half, 2)}" if math.isfinite(half) else ""
    return f"{number(estimate.mean)}{spread}"


def html_table(rows: Sequence[Sequence[TableCell]], look: str = "cards") -> str:
    """An HTML table. look: what rows become on a narrow screen, `cards` or `compact` cards."""
    if not rows:
        return ""
    head = "".join(f"<th>{escape(heading)}</th>" for heading, _, _ in rows[0])
    body = "\n".join(
        "<tr>"
        + "".join(
            f'<td class="{kind}" data-label="{escape(heading)}">{html}</td>'
            for heading, kind, html in row
        )
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="wide"><table class="{look}"><thead><tr>{head}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></div>"
    )
