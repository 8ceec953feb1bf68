"""The progress of the cells of a sweep, read from their folders."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from icl.config.grid import Cell
from icl.records.run_directory import METRICS
from icl.records.sweep_directory import status_of

TAIL_BYTES = 65536  # more than a line of metrics is long


@dataclass(frozen=True)
class Snapshot:
    """One cell: its status, and its last record, or None before the first."""

    cell: Cell
    status: str
    record: dict[str, Any] | None

    @property
    def step(self) -> int:
        return 0 if self.record is None else self.record["step"]

    @property
    def share(self) -> float:
        """The share of its steps that are made; 1 if none remains."""
        return 1.0 if self.is_over else self.step / self.cell.config.training.num_steps

    @property
    def is_over(self) -> bool:
        """Whether no step remains to be made."""
        return self.status in ("finished", "diverged")


def snapshot(path: Path, cell: Cell) -> Snapshot:
    """Read a cell's folder, even while another process writes to it."""
    return Snapshot(cell, status_of(path), _last_record(path / METRICS))


def _last_record(path: Path) -> dict[str, Any] | None:
    """The last whole line of the metrics."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(size - TAIL_BYTES, 0))
            lines = file.read().split(b"\n")
    except OSError:
        return None
    for line in reversed(lines[:-1]):
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and isinstance(record.get("step"), int):
            return record
    return None
