"""Successive halving: cells that do well early go on, the others stop (Jamieson, Talwalkar 2016).

Who goes on is read off the records, so that it is the same whoever asks, and when.
"""

import math
from collections.abc import Iterable

from icl.records.run_directory import METRICS, read_lines
from icl.records.sweep_directory import SweepDirectory
from icl.records.sweep_file import Cell, Sweep


def survivors(sweep: Sweep, directory: SweepDirectory, until: int | None) -> list[Cell]:
    """The cells of a grid that are to be trained up to a step; None: to the end."""
    halving, cells = sweep.config.halving, list(sweep.cells)
    if halving is None:
        return cells
    for step in halving.steps:
        if until is not None and step >= until:
            break
        groups = _groups(cells)
        scores = {name: _score(sweep, directory, members, step) for name, members in groups.items()}
        ranked = sorted(groups, key=lambda name: -scores[name])
        kept = set(ranked[: math.ceil(halving.keep * len(ranked))])
        cells = [cell for name, members in groups.items() if name in kept for cell in members]
    return cells


def _groups(cells: Iterable[Cell]) -> dict[str, list[Cell]]:
    """Cells that differ in their seed only."""
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        name = repr({knob: value for knob, value in cell.settings.items() if knob != "seed"})
        groups.setdefault(name, []).append(cell)
    return groups


def _score(sweep: Sweep, directory: SweepDirectory, cells: Iterable[Cell], step: int) -> float:
    """The mean over seeds of the last evaluation up to a step; the more the better."""
    halving = sweep.config.halving
    assert halving is not None
    values = []
    for cell in cells:
        records = read_lines(directory.cell_path(cell) / METRICS)
        records = [record for record in records if record["step"] <= step]
        value = records[-1]["conditions"][halving.condition][halving.metric] if records else None
        if value is None:
            return -math.inf
        values.append(-value if halving.metric == "loss" else value)
    return math.fsum(values) / len(values)
