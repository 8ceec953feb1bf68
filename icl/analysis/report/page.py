"""The report as one HTML file that needs no other file and no network."""

import base64
import json
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

import numpy as np
import xarray
from plotly.offline import get_plotlyjs

from icl.analysis.claims import Verdict
from icl.analysis.report.interactive import BUDGET, figure_data
from icl.analysis.report.overview import overview_section
from icl.analysis.report.tables import SIGNS, derived_table, folded, missing_list, verdict_table
from icl.analysis.views import is_empty, knobs_of, what_is_averaged

OWN = "ICL among labels in context, IWL over all"


def make_page(
    datasets: Mapping[str, xarray.Dataset],
    verdicts: Mapping[str, list[Verdict]],
    pictures: Mapping[str, bytes],
    links: Mapping[str, str],
) -> str:
    """The whole page: a section for each sweep, below an overview if there are several.

    pictures: PNGs by what they show. links: addresses of the files beside the page, by name, the
    folder `figures` included.
    """
    budget, is_one = BUDGET // max(len(datasets), 1), len(datasets) == 1
    sections = [] if is_one else [overview_section(datasets, verdicts)]
    sections += [
        _section(name, dataset, verdicts[name], budget, has_heading=not is_one)
        for name, dataset in datasets.items()
    ]
    parts = {
        "title": escape(", ".join(datasets)),
        "summary": escape(summary(datasets, verdicts)),
        "style": _asset("report.css"),
        "sections": "\n".join(sections),
        "pictures": _pictures(pictures),
        "links": ", ".join(f'<a href="{escape(to)}">{escape(of)}</a>' for of, to in links.items()),
        "figures": escape(links["figures"]),
        "plotly": get_plotlyjs(),
        "script": _asset("report.js"),
    }
    return Template(_asset("report.html")).substitute(parts)


def summary(datasets: Mapping[str, xarray.Dataset], verdicts: Mapping[str, list[Verdict]]) -> str:
    """One line: the number of runs in each state, and of claims with each verdict."""
    status = np.concatenate([dataset.status.values.ravel() for dataset in datasets.values()])
    states = status.tolist()
    runs = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    given = [verdict.verdict for of_sweep in verdicts.values() for verdict in of_sweep]
    counts = ", ".join(f"{given.count(name)} {name}" for name in SIGNS if name in given)
    plural = "s" if len(given) > 1 else ""
    claims = f"{len(given)} claim{plural} ({counts})" if given else "no claims"
    return f"{len(states)} run{'s' if len(states) > 1 else ''} ({runs}); {claims}."


def _section(
    name: str, dataset: xarray.Dataset, verdicts: list[Verdict], budget: int, has_heading: bool
) -> str:
    parts = [
        verdict_table(verdicts),
        _figures(dataset, budget),
        missing_list(dataset.attrs.get("missing", [])),
        folded("The grid", _code(dataset.attrs.get("sweep", ""))),
        folded("The base config", _code(dataset.attrs.get("base", ""))),
    ]
    if has_heading:
        line = escape(summary({name: dataset}, {name: verdicts}))
        parts.insert(0, f"<h2>{escape(name)}</h2>\n<p>{line}</p>")
    body = "\n".join(part for part in parts if part)
    anchor = f' id="{escape(name)}"' if has_heading else ""
    return f'<section data-sweep="{escape(name)}"{anchor}>\n{body}\n</section>'


def _figures(dataset: xarray.Dataset, budget: int) -> str:
    """Controls, the elements that the script draws in, its data, and a table of numbers."""
    if is_empty(dataset):
        return "<p>No run was evaluated yet.</p>"
    data = figure_data(dataset, budget)
    return "\n".join(
        [
            _controls(data),
            *_places(dataset),
            derived_table(dataset),
            f'<script type="application/json" class="data">{_json(data)}</script>',
        ]
    )


def _places(dataset: xarray.Dataset) -> list[str]:
    """The elements that the script draws in, each with its title and a note."""
    count, averaged = len(knobs_of(dataset)), what_is_averaged(dataset)
    also = f" Lines are {averaged}." if averaged else ""
    return [
        _plots(
            "curves",
            "Learning curves",
            "Bands: 95 % over seeds (t interval), none for a single seed. Dotted: chance, and "
            f"the step chosen. A run that ended early keeps its last value.{also}",
        ),
        _plots(
            "effects",
            "Effect of each knob" if count else "",
            "At the step chosen: mean, 95 % t interval over seeds (band or bar), each seed "
            f"(open signs), chance (dotted).{also}",
        ),
        _plots(
            "phases",
            "Phase diagrams" if count > 1 else "",
            "At the step chosen: means over seeds and other knobs, with lines at 0.25, 0.5 and "
            "0.75. Dots: the cells sampled. Crosses: cells with nothing to show.",
        ),
    ]


def _plots(kind: str, title: str, note: str) -> str:
    head = f'<h3>{title}</h3><p class="note">{escape(note)}</p>' if title else ""
    return f'{head}<div class="plots {kind}"></div>'


def _controls(data: dict[str, Any]) -> str:
    """Choices: conditions, metric, knob of the lines, pair of the phase diagrams, step."""
    boxes = [
        f'<label title="{escape(of["meaning"])}"><input type="checkbox" data-condition '
        f'autocomplete="off"{" checked" if of["isMain"] else ""}>'
        f'<span class="swatch" style="background:{of["color"]}"></span>{escape(of["label"])}'
        "</label>"
        for of in data["conditions"]
    ]
    first, metrics = data["first"], {"own": OWN} | data["metrics"]
    offered = {first: metrics[first]} | data["metrics"]
    knobs = [knob["label"] for knob in data["knobs"]]
    pairs = [f"{pair['x']} by {pair['y']}" for pair in data["pairs"]]
    last = len(data["steps"]) - 1
    return "\n".join(
        [
            '<div class="controls">',
            *boxes,
            _select("metric", "metric", offered),
            _select("lines", "lines", dict(enumerate(knobs))) if len(knobs) > 1 else "",
            _select("pair", "phase diagram", dict(enumerate(pairs))) if len(pairs) > 1 else "",
            '</div>\n<div class="controls slider">',
            f'<label>step <input type="range" data-control="step" min="0" '
            f'max="{last}" value="{last}" autocomplete="off">'
            f"<output>{data['steps'][-1]:,}</output></label>",
            "</div>",
        ]
    )


def _select(name: str, text: str, choices: Mapping[Any, str]) -> str:
    options = "".join(
        f'<option value="{value}">{escape(label)}</option>' for value, label in choices.items()
    )
    return (
        f'<label>{text} <select data-control="{name}" autocomplete="off">{options}</select></label>'
    )


def _pictures(pictures: Mapping[str, bytes]) -> str:
    if not pictures:
        return ""
    shown = [
        f'<figure><img alt="sequences of {escape(of)}" '
        f'src="data:image/png;base64,{base64.b64encode(png).decode()}">'
        f"<figcaption>{escape(of)}</figcaption></figure>"
        for of, png in pictures.items()
    ]
    return "<h2>What the network is shown</h2>\n" + "\n".join(shown)


def _code(text: str) -> str:
    return f"<pre>{escape(text)}</pre>" if text else ""


def _json(data: Any) -> str:
    """JSON that cannot end the HTML element around it."""
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")


def _asset(name: str) -> str:
    return (files("icl.analysis.report") / name).read_text(encoding="utf-8")
