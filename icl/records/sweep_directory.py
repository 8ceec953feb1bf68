"""The directory of sweeps: their grids, and the cells of all grids.

    grids/<name>.yaml   a grid, resolved: can be given as GRID
    cells/<digest>/     the run of a cell, as `scripts/train.py` leaves it

The folders of the cells show what is finished. A cell of two grids is there once.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from icl.config.grid import Cell, Sweep, dump_sweep, load_sweep
from icl.config.yaml import load_config
from icl.errors import UserError, allowed
from icl.files import write_whole
from icl.records.history import OTHER_CODE, read_history
from icl.records.lines import read_lines
from icl.records.missing_parts import naming_missing_parts
from icl.records.run_directory import (
    CONFIG,
    FAILURE,
    LOCK,
    METRICS,
    OTHER_CODE_NOTE,
    SUMMARY,
    UNKNOWN_CODE_NOTE,
    step_of,
)

GRIDS_FOLDER, CELLS_FOLDER, QUARANTINE_FOLDER = "grids", "cells", "corrupt"


class SweepDirectory:
    """A directory of sweeps, held by one process at a time while used as a context manager."""

    def __init__(self, path: str | Path):
        self.path = Path(path).absolute()

    def cell_path(self, cell: Cell) -> Path:
        return self.path / CELLS_FOLDER / cell.digest

    def check(self) -> None:
        """Raise UserError where the folder holds something other than sweeps."""
        if self.path.is_dir() and not (self.path / GRIDS_FOLDER).is_dir():
            names = sorted({entry.name for entry in self.path.iterdir()} - {LOCK})
            if names:
                raise UserError(
                    f"--out = {self.path}: holds {names[0]} but no {GRIDS_FOLDER}; "
                    "allowed: a new or empty folder, or that of a sweep"
                )

    @contextmanager
    def held(self, sweeps: Iterable[Sweep]) -> Iterator[None]:
        """Write the grids and keep other processes out. Raises UserError where that fails."""
        self.check()
        lock = FileLock(self.path / LOCK)
        try:
            (self.path / GRIDS_FOLDER).mkdir(parents=True, exist_ok=True)
            (self.path / CELLS_FOLDER).mkdir(exist_ok=True)
            lock.acquire(timeout=0)
        except Timeout:
            raise UserError(
                f"--out = {self.path}: in use by another process; wait for it or choose another"
            ) from None
        except OSError as error:
            raise UserError(
                f"--out = {self.path}: cannot be written ({error.strerror}); "
                "allowed: a folder that can"
            ) from None
        try:
            for sweep in sweeps:
                write_whole(self.path / GRIDS_FOLDER / f"{sweep.name}.yaml", dump_sweep(sweep))
            yield
        finally:
            lock.release()

    def check_code(self, cells: Iterable[Cell], other_code: bool) -> list[str]:
        """Compare the code of cells that have begun with this process's; return lines to read.

        other_code: whether to go on with cells that other source code has trained.

        Raises UserError where there are such cells and they may not go on.
        """
        begun = [cell for cell in cells if status_of(self.cell_path(cell)) == "partial"]
        begun = [cell for cell in begun if step_of(self.cell_path(cell))]
        histories = [(cell.text, read_history(self.cell_path(cell))) for cell in begun]
        others = [text for text, history in histories if history.is_other_code]
        unknown = [text for text, history in histories if history.code is None]
        if others and not other_code:
            raise UserError(
                f"--out = {self.path}: other source code trained {_counted(others)}; allowed: "
                f"the same code, another --out, or {OTHER_CODE} to go on with this code"
            )
        notes = {OTHER_CODE_NOTE: others, UNKNOWN_CODE_NOTE: unknown}
        return [f"{_counted(texts)}: {note}" for note, texts in notes.items() if texts]

    def quarantine(self, cell: Cell) -> Path:
        """Move a corrupt cell's folder to where a person can look at it; return that place."""
        folder = self.path / QUARANTINE_FOLDER
        folder.mkdir(exist_ok=True)
        number = len(list(folder.glob(f"{cell.digest}*")))
        return self.cell_path(cell).rename(folder / f"{cell.digest}.{number}")

    def repair(self, cell: Cell) -> Path | None:
        """Quarantine a cell if it is corrupt, so that it is made anew; return its new place."""
        path = self.cell_path(cell)
        return self.quarantine(cell) if is_corrupt(path, cell) else None


def _counted(texts: list[str]) -> str:
    more = len(texts) - 1
    return f"the cell {texts[0]}" + (f" and {more} more" if more else "")


def list_grids(path: str | Path) -> list[str]:
    """The names of the grids in a directory of sweeps; none in any other directory."""
    return sorted(file.stem for file in (Path(path) / GRIDS_FOLDER).glob("*.yaml"))


def sweep_of(path: str | Path, name: str | None = None) -> Sweep:
    """A grid of a directory of sweeps; the only one, if no name is given. Raises UserError."""
    names = list_grids(path)
    if name is None and len(names) > 1:
        raise UserError(f"{path}: several grids; allowed: the name of one: {', '.join(names)}")
    if name is not None and name not in names:
        raise UserError(f"{path}: no grid {name}; {allowed(name, names)}")
    with naming_missing_parts(path):
        return load_sweep(Path(path) / GRIDS_FOLDER / f"{name or names[0]}.yaml", is_recorded=True)


def status_of(path: Path) -> str:
    """The status of the run in a cell's folder: finished, diverged, partial or missing."""
    for name, status in ((SUMMARY, "finished"), (FAILURE, "diverged"), (CONFIG, "partial")):
        if (path / name).exists():
            return status
    return "missing"


def tolerant_records(path: Path) -> list[dict[str, Any]]:
    """The records in a cell's folder; none if their file is broken: the cell is made anew."""
    try:
        records = read_lines(path / METRICS)
    except UserError:
        return []
    return [r for r in records if isinstance(r.get("step"), int) and "conditions" in r]


def is_corrupt(path: Path, cell: Cell) -> bool:
    """Whether a cell's files cannot be read, contradict each other, or are another cell's."""
    status = status_of(path)
    if status == "missing":
        return path.is_dir() and bool({entry.name for entry in path.iterdir()} - {LOCK})
    try:
        if load_config(path / CONFIG) != cell.config:
            return True
        records = read_lines(path / METRICS)
        if not all(isinstance(record.get("step"), int) for record in records):
            return True
        if status == "finished":
            digest = hashlib.sha256((path / METRICS).read_bytes()).hexdigest()
            return bool(json.loads((path / SUMMARY).read_text("utf-8"))["metrics_sha256"] != digest)
        if status == "partial" and step_of(path):
            from icl.records.checkpoints import Checkpoints  # loads JAX, which takes seconds

            with Checkpoints(path / "checkpoints", cell.config.checkpoints) as checkpoints:
                step = checkpoints.latest_step
                if step is not None:
                    checkpoints.restore_leaves(step)
                    every, num_steps = cell.config.evaluation.every, cell.config.training.num_steps
                    due = {s for s in range(step + 1) if s % every == 0 or s == num_steps}
                    return not due <= {record["step"] for record in records}
    except (UserError, OSError, ValueError, KeyError, TypeError):
        return True
    return False
