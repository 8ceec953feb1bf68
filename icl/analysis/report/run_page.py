"""The report of a single run: one HTML file that needs no other file, no network, no script."""

import base64
import os
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import xarray

from icl.analysis.conditions import condition_names, short_label
from icl.analysis.figures.curves import draw_curves
from icl.analysis.report.tables import TableCell, folded, html_table, number
from icl.config.claims import METRIC_LABELS
from icl.config.probes import ALIGNMENTS, ALIGNMENTS_NOTE
from icl.records.history import EVENTS, read_events, read_history
from icl.records.run_directory import (
    CONFIG,
    CONNECTIVITY,
    FAILURE,
    METRICS,
    SEQUENCES,
    SUMMARY,
)
from icl.records.sweep_directory import status_of

# The scores of the table, and whether the best value of each is the largest.
SCORES = {"accuracy": True, "accuracy_in_context": True, "loss": False}
MACHINE = ("icl", "python", "platform", "processor", "cores", "backend", "device", "num_devices")


def make_run_page(run: xarray.Dataset, path: Path, out: Path) -> str:
    """The page of the run in a folder.

    run: its records. out: where the page will be, for links to the files of the run.
    """
    beside = Path(os.path.relpath(path, out.parent)).as_posix()
    names = (CONFIG, METRICS, SUMMARY, FAILURE, EVENTS, CONNECTIVITY, "checkpoints")
    there = [name for name in names if (path / name).exists()]
    parts = [
        _curves(run),
        _scores(run),
        _picture("What the network is shown", (path / SEQUENCES)),
        folded("Settings", f"<pre>{escape(run.attrs['config'])}</pre>"),
        folded("Versions, machine and code", _made_with(path)),
    ]
    return Template(_asset("run.html")).substitute(
        title=escape(path.name),
        summary=escape(summary_of(run, path)),
        style=_asset("report.css"),
        body="\n".join(part for part in parts if part),
        links=", ".join(f'<a href="{escape(f"{beside}/{name}")}">{name}</a>' for name in there),
    )


def summary_of(run: xarray.Dataset, path: Path) -> str:
    """One line: whether the run is finished, its last evaluation, and when it was trained."""
    status = {"partial": "begun, not finished"}.get(status_of(path), status_of(path))
    steps = run.step.values.tolist()
    last = f"evaluated until step {steps[-1]:,}" if steps else "not evaluated yet"
    times = [event["time"] for event in read_events(path) if "time" in event]
    days = [f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M}" for time in times]
    when = f"; {days[0]} to {days[-1]} UTC" if days else ""
    return f"A run, {status}; {last}{when}."


def _curves(run: xarray.Dataset) -> str:
    if not run.sizes["step"]:
        return "<p>The run was not evaluated yet.</p>"
    note = "Bands: one standard error over the sequences of an evaluation."
    if any(name in run for name in ALIGNMENTS.values()):
        note += f" {ALIGNMENTS_NOTE}."
    image = _image("learning curves", draw_curves(run))
    return f'<h2>Learning curves</h2>\n<p class="note">{escape(note)}</p>\n{image}'


def _scores(run: xarray.Dataset) -> str:
    """Final and best scores of each condition, and what probes measure at the end."""
    measured = [name for name in METRIC_LABELS if name in run and name not in SCORES]
    rows: list[list[TableCell]] = []
    for condition in condition_names(run) if run.sizes["step"] else ():
        of = run.sel(condition=condition)
        cells: list[TableCell] = [("condition", "", escape(short_label(run, condition)))]
        for metric, is_largest in SCORES.items():
            if metric in run:
                cells += _final_and_best(of[metric], METRIC_LABELS[metric], is_largest)
        cells += [
            (METRIC_LABELS[name], "number", number(float(of[name].values[-1]))) for name in measured
        ]
        rows.append(cells)
    return f"<h2>Scores</h2>\n{html_table(rows)}" if rows else ""


def _final_and_best(values: xarray.DataArray, label: str, is_largest: bool) -> list[TableCell]:
    found = values.values
    if np.isnan(found).all():
        return [(label, "number", "none"), ("best, at step", "number", "none")]
    best = int(np.nanargmax(found) if is_largest else np.nanargmin(found))
    step = int(values.step[best])
    return [
        (label, "number", number(float(found[-1]))),
        ("best, at step", "number", f"{number(float(found[best]))}<small>{step:,}</small>"),
    ]


def _picture(title: str, file: Path) -> str:
    if not file.exists():
        return ""
    return f"<h2>{title}</h2>\n{_image('examples of the training data', file.read_bytes())}"


def _image(text: str, png: bytes) -> str:
    content = base64.b64encode(png).decode()
    return f'<figure><img alt="{text}" src="data:image/png;base64,{content}"></figure>'


def _made_with(path: Path) -> str:
    """A table of what the last process that trained the run recorded, and all codes that did."""
    begins = [event for event in read_events(path) if event.get("event") in ("start", "resume")]
    if not begins:
        return ""
    last = begins[-1]
    facts: dict[str, Any] = {name: last[name] for name in MACHINE if name in last}
    facts |= last.get("packages", {})
    facts["processes"] = len(begins)
    for code in read_history(path).codes:
        facts[f"source code from step {code.step:,}"] = code.digest or "not recorded"
    return html_table(
        [[("", "", escape(name)), ("", "", escape(str(value)))] for name, value in facts.items()]
    )


def _asset(name: str) -> str:
    return (files("icl.analysis.report") / name).read_text(encoding="utf-8")
