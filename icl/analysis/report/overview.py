"""The top of a page of several grids: all verdicts in one table, and a small panel for each."""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from urllib.parse import quote

import xarray

from icl.analysis.claims import Verdict
from icl.analysis.figures.overview import draw_alone, labels_of, looks_of
from icl.analysis.overview import Panel, described, panels_of
from icl.analysis.report.tables import all_verdicts_table

GLYPHS = {"o": "●", "s": "■", "^": "▲", "D": "◆", "v": "▼", "P": "✚", "X": "✖"}
NOTE = (
    "At the end of training, against the first knob of each grid: mean and 95 % t interval over "
    "seeds; dotted: chance. Values of a knob stand at even distances, whatever they are."
)


def overview_section(
    datasets: Mapping[str, xarray.Dataset], verdicts: Mapping[str, Sequence[Verdict]]
) -> str:
    """HTML that holds the images; what they show also stands in words."""
    panels = panels_of(datasets)
    parts = []
    if table := all_verdicts_table(verdicts):
        parts.append(f"<h2>All claims</h2>\n{table}")
    if panels:
        parts += [
            f'<h2>All grids</h2>\n<p class="note">{escape(NOTE)}{_steps_note(panels)}</p>',
            _legend(panels),
            _images(panels),
        ]
    drawn = {panel.name for panel in panels}
    if left_out := [name for name in datasets if name not in drawn]:
        names = escape(", ".join(left_out))
        parts.append(f'<p class="note">Not shown, for lack of finished runs: {names}.</p>')
    body = "\n".join(parts)
    return f"<div>\n{body}\n</div>"


def _steps_note(panels: Sequence[Panel]) -> str:
    has_steps = any(panel.kind == "steps" for panel in panels)
    return " Grids without a knob: along training." if has_steps else ""


def _legend(panels: Sequence[Panel]) -> str:
    labels = labels_of(panels)
    items = "".join(
        f'<li><span style="color:{color}">{GLYPHS[marker]}</span> {escape(labels[condition])}</li>'
        for condition, (color, marker) in looks_of(panels).items()
    )
    return f'<ul class="legend">{items}</ul>'


def _images(panels: Sequence[Panel]) -> str:
    images = "\n".join(
        f'<a href="#{quote(panel.name)}"><img alt="{escape(described(panel))}" '
        f'src="data:image/svg+xml;base64,{base64.b64encode(content).decode()}"></a>'
        for panel, content in zip(panels, draw_alone(panels), strict=True)
    )
    return f'<div class="panels">\n{images}\n</div>'
