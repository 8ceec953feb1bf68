"""The remaining work of a sweep, in jobs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from icl.config import AnyConfig
from icl.config.grid import Cell, Sweep
from icl.config.traced import program_of
from icl.records.run_directory import step_of
from icl.records.sweep_directory import SweepDirectory, status_of
from icl.runs.loggers import Label, label_of
from icl.runs.options import DEFAULTS, Options


@dataclass(frozen=True)
class Job:
    """A group of cells to train, all of one program.

    cells: folder and config of each.
    engine: one of `icl.runs.engines.table.ENGINES`.
    has_picture: whether to draw examples of the training data into the first cell's folder.
    options: how its runs are made.
    labels: what loggers call each cell, by the name of its folder.
    patience: seconds to wait for a folder that another process still holds.
    """

    cells: tuple[tuple[Path, AnyConfig], ...]
    engine: str
    has_picture: bool = False
    options: Options = DEFAULTS
    labels: dict[str, Label] = field(default_factory=dict)
    patience: float = 0.0


def plan(
    directory: SweepDirectory,
    cells: Iterable[Cell],
    engine: str,
    options: Options = DEFAULTS,
    num_devices: int = 1,
) -> list[Job]:
    """The jobs for all cells that are not finished, those of one program next to each other.

    num_devices: the number of jobs to divide a program's cells into, where engine is not threads.
    """
    groups: dict[tuple[str, int], list[Cell]] = {}
    for cell in {cell.digest: cell for cell in cells}.values():
        path = directory.cell_path(cell)
        if status_of(path) in ("missing", "partial"):
            groups.setdefault((program_of(cell.config), step_of(path)), []).append(cell)
    jobs, pictured = [], set()
    for (program, _), members in groups.items():
        size = 1 if engine == "threads" else -(-len(members) // max(num_devices, 1))
        for i in range(0, len(members), size):
            group = tuple((directory.cell_path(c), c.config) for c in members[i : i + size])
            jobs.append(Job(group, engine, program not in pictured, options))
            pictured.add(program)
    return jobs


def labelled(jobs: Sequence[Job], sweeps: Sequence[Sweep], options: Options) -> list[Job]:
    """The jobs with a label for each cell: its place in its grid, in the group of that grid.

    A cell of several grids is shown as that of the first.
    """
    labels = {
        cell.digest: label_of(cell.config, cell.text, sweep.name, options.tags)
        for sweep in reversed(sweeps)
        for cell in sweep.cells
    }
    return [replace(job, labels={p.name: labels[p.name] for p, _ in job.cells}) for job in jobs]
