"""Successive halving: cells that do well early go on, the others stop (Jamieson, Talwalkar 2016).

Who goes on is read off the records, so that it is the same whoever asks, and when.
"""

import math
from collections.abc import Iterable

from icl.config.grid import Cell, Sweep
from icl.records.sweep_directory import SweepDirectory, status_of, tolerant_records


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


def stopped(sweeps: Iterable[Sweep], directory: SweepDirectory) -> frozenset[str]:
    """The digests of cells that are left where they are, as others did better, and by all grids.

    While a comparison is not complete, cells that did it first may be among them for a while; one
    that goes on never is at its end.
    """
    going_on, left = set(), set()
    for sweep in sweeps:
        kept = {cell.digest for cell in survivors(sweep, directory, None)}
        going_on |= kept
        for cell in sweep.cells if sweep.config.halving else ():
            if cell.digest not in kept and _is_compared(sweep, directory, cell):
                left.add(cell.digest)
    return frozenset(left - going_on)


def expected_steps(sweep: Sweep, num_steps: int) -> float:
    """What a run of so many steps will make on average, over all cells."""
    halving = sweep.config.halving
    if halving is None:
        return float(num_steps)
    count = alive = len(_groups(sweep.cells))
    made, last = 0.0, 0
    for step in (*halving.steps, num_steps):
        made += alive / count * max(min(step, num_steps) - last, 0)
        alive, last = math.ceil(halving.keep * alive), max(step, last)
    return made


def _is_compared(sweep: Sweep, directory: SweepDirectory, cell: Cell) -> bool:
    """Whether a cell's run is at one of the steps at which cells are compared."""
    assert sweep.config.halving is not None
    path = directory.cell_path(cell)
    if status_of(path) != "partial":
        return False
    records = tolerant_records(path)
    return bool(records) and records[-1]["step"] in sweep.config.halving.steps


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
        records = tolerant_records(directory.cell_path(cell))
        records = [record for record in records if record["step"] <= step]
        value = records[-1]["conditions"][halving.condition][halving.metric] if records else None
        if value is None:
            return -math.inf
        values.append(-value if halving.metric == "loss" else value)
    return math.fsum(values) / len(values)
