"""What a person sees of a sweep: how many cells, how many steps, and how long it will take."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Table

from icl.progress import scores_of
from icl.records.snapshot import Snapshot, snapshot
from icl.records.sweep_directory import SweepDirectory
from icl.records.sweep_file import Cell

STATUSES = ("finished", "diverged", "partial", "missing")
OVER = STATUSES[:2]


class SweepProgress:
    """Reports to standard error, from what is in the directory; the result to standard output."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)
        self._bar: Bar | None = None
        self._last: dict[str, Snapshot] = {}
        self._clock = self._begun = 0.0

    def say(self, text: str) -> None:
        """One line."""
        self.console.print(text, markup=False, soft_wrap=True)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do of what is followed."""
        return all(snap.status in OVER for snap in self._last.values())

    @contextmanager
    def sweep(self, directory: SweepDirectory, cells: Sequence[Cell]) -> Iterator[None]:
        """Follow these cells, in a bar where there is a terminal for it."""
        self._directory = directory
        self._last = {cell.digest: self._snap(cell) for cell in cells}
        self._begun, self._clock = self._share, time.monotonic()
        self.say(self._counts())
        if not self.console.is_terminal:
            yield
            return
        columns = BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[told]}")
        with Bar(*columns, console=self.console) as bar:
            bar.add_task("", total=1.0, told="")
            self._bar = bar
            try:
                yield
            finally:
                self._bar = None

    def look(self) -> None:
        """Read the directory, and say what is new."""
        for digest, last in self._last.items():
            if last.status in OVER:
                continue
            now = self._last[digest] = self._snap(last.cell)
            if now.status in OVER:
                self._say_ended(now)
        if self._bar is not None:
            told = f"{self._counts()}  {self._time_left()}"
            self._bar.update(self._bar.task_ids[0], completed=self._share, told=told)

    def finished(self, directory: SweepDirectory, cells: Sequence[Cell]) -> None:
        """How it ended, and where the files are."""
        self._directory = directory
        table = Table("cells", "", box=SIMPLE)
        counts = self._count([self._snap(cell) for cell in cells])
        for status, count in counts.items():
            table.add_row(str(count), status)
        console = Console(file=sys.stdout, highlight=False)
        console.print(table)
        console.print(str(directory.path), markup=False, soft_wrap=True)

    def _snap(self, cell: Cell) -> Snapshot:
        return snapshot(self._directory.cell_path(cell), cell)

    @property
    def _share(self) -> float:
        """Of all steps that are made."""
        total = sum(snap.cell.config.training.num_steps for snap in self._last.values())
        made = sum(s.share * s.cell.config.training.num_steps for s in self._last.values())
        return made / max(total, 1)

    def _time_left(self) -> str:
        """At the speed since this process began to look."""
        made, seconds = self._share - self._begun, time.monotonic() - self._clock
        if made <= 0 or seconds < 1:
            return ""
        minutes = seconds * (1 - self._share) / made / 60
        return f"{minutes / 60:.1f} h left" if minutes > 90 else f"{minutes:.0f} min left"

    def _count(self, snaps: Sequence[Snapshot]) -> dict[str, int]:
        counts = {status: sum(s.status == status for s in snaps) for status in STATUSES}
        return {status: count for status, count in counts.items() if count}

    def _counts(self) -> str:
        counts = self._count(list(self._last.values()))
        told = {"partial": "begun", "missing": "to do"}
        parts = ", ".join(f"{count} {told.get(status, status)}" for status, count in counts.items())
        return f"{len(self._last)} cells: {parts}"

    def _say_ended(self, snap: Snapshot) -> None:
        over = sum(s.status in OVER for s in self._last.values())
        left = self._time_left()
        parts = [f"{over}/{len(self._last)}", snap.cell.text, _outcome(snap), left]
        self.say("  ".join(part for part in parts if part))


def _outcome(snap: Snapshot) -> str:
    if snap.status == "diverged":
        return "diverged"
    return scores_of(snap.record) if snap.record else ""
