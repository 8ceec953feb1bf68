"""Reports on a sweep: finished cells, steps made, and the time that remains."""

import sys
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.box import SIMPLE
from rich.progress import BarColumn, TaskProgressColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Table

from icl.analysis.printing import Printer, print_table
from icl.config.grid import Cell, Sweep, cells_of
from icl.config.probes import ALIGNMENTS_NOTE
from icl.probes.weight_statistics import stability_warning
from icl.records.initial_weights import read_initial_weights
from icl.records.run_directory import CONNECTIVITY, FAILURE
from icl.records.snapshot import Snapshot, snapshot
from icl.records.sweep_directory import SweepDirectory
from icl.runs.progress import has_alignments, scores_of

DONE = ("finished", "diverged")  # and will not change
STATUSES = (*DONE, "partial", "missing")
# Cells by how they ended: the statuses that occur, in the order of STATUSES.
Ended = dict[str, list[Cell]]


class SweepProgress:
    """Reports on what is in a directory to standard error, and on the end to standard output."""

    def __init__(self) -> None:
        self.console = Printer(stderr=True, highlight=False)
        self._bar: Bar | None = None
        self._last: dict[str, Snapshot] = {}
        self._unchecked: list[Cell] = []  # those whose initial weights are not recorded yet
        self._is_explained = False  # RA and KA
        self._clock = self._begun = 0.0

    def say(self, text: str) -> None:
        """Print one line."""
        self.console.print(text, markup=False, soft_wrap=True)

    @property
    def is_over(self) -> bool:
        """Whether none of the followed cells remains to be trained."""
        return all(snap.is_over for snap in self._last.values())

    @contextmanager
    def sweep(self, directory: SweepDirectory, sweeps: Sequence[Sweep]) -> Iterator[None]:
        """Follow the cells of grids, with a bar if standard error is a terminal."""
        self._directory, self._sweeps = directory, sweeps
        self._last = self._snapshots(cells_of(sweeps))
        self._unchecked = [last.cell for last in self._last.values() if last.status not in DONE]
        self._begun, self._clock = self._share, time.monotonic()
        self.say(self._counts())
        if not self.console.is_terminal:
            yield
            return
        columns = BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[text]}")
        with Bar(*columns, console=self.console) as bar:
            bar.add_task("", total=1.0, text="")
            self._bar = bar
            try:
                yield
            finally:
                self._bar = None

    def look(self) -> None:
        """Read the directory and report what is new."""
        self._warn()
        going_on = [last.cell for last in self._last.values() if last.status not in DONE]
        for digest, now in self._snapshots(going_on).items():
            self._last[digest] = now
            if now.status in DONE:
                self._say_ended(now)
        if self._bar is not None:
            text = f"{self._counts()}  {self._time_left()}"
            self._bar.update(self._bar.task_ids[0], completed=self._share, text=text)

    def finished(self, where: str) -> Ended:
        """Print how the followed cells ended, and where the files are; return how they ended."""
        table = Table("cells", "", box=SIMPLE)
        ended = self.ended()
        for status, cells in ended.items():
            table.add_row(str(len(cells)), status)
        console = Printer(file=sys.stdout, highlight=False)
        print_table(console, table)
        if diverged := ended.get("diverged"):
            others = f" and {len(diverged) - 1} more" if len(diverged) > 1 else ""
            text = f"diverged: {diverged[0].text}{others}; why is in {FAILURE} of each"
            console.print(text, markup=False, soft_wrap=True)
        console.print(where, markup=False, soft_wrap=True)
        return ended

    def ended(self) -> Ended:
        """The followed cells by their status; a status without cells is left out."""
        snapshots = self._snapshots(cells_of(self._sweeps)).values()
        ended = {s: [snap.cell for snap in snapshots if snap.status == s] for s in STATUSES}
        return {status: cells for status, cells in ended.items() if cells}

    def _snapshots(self, cells: Iterable[Cell]) -> dict[str, Snapshot]:
        return {cell.digest: snapshot(self._directory.cell_path(cell), cell) for cell in cells}

    @property
    def _share(self) -> float:
        """The share of all steps that are made."""
        total = sum(snap.cell.config.training.num_steps for snap in self._last.values())
        made = sum(s.share * s.cell.config.training.num_steps for s in self._last.values())
        return made / max(total, 1)

    def _time_left(self) -> str:
        """The time that remains, at the speed since `sweep` began; empty: unknown."""
        made, seconds = self._share - self._begun, time.monotonic() - self._clock
        if made <= 0 or seconds < 1:
            return ""
        minutes = seconds * (1 - self._share) / made / 60
        return f"{minutes / 60:.1f} h left" if minutes > 90 else f"{minutes:.0f} min left"

    def _count(self, snaps: Collection[Snapshot]) -> dict[str, int]:
        counts = {status: sum(s.status == status for s in snaps) for status in STATUSES}
        return {status: count for status, count in counts.items() if count}

    def _counts(self) -> str:
        counts = self._count(self._last.values())
        words = {"partial": "begun", "missing": "to do"}
        parts = ", ".join(f"{count} {words.get(name, name)}" for name, count in counts.items())
        return f"{len(self._last)} cells: {parts}"

    def _warn(self) -> None:
        """Print the stability warning of the first cell that has one, once a sweep."""
        unchecked: list[Cell] = []
        for cell in self._unchecked:
            initial = read_initial_weights(self._directory.cell_path(cell))
            if text := stability_warning(cell.config.model.kind, initial):
                self.say(f"{cell.text}: {text}; other cells may, too: see their {CONNECTIVITY}")
                unchecked = []
                break
            unchecked += [] if initial else [cell]
        self._unchecked = unchecked

    def _say_ended(self, snap: Snapshot) -> None:
        if not self._is_explained and snap.record and has_alignments(snap.record):
            self.say(ALIGNMENTS_NOTE)
            self._is_explained = True
        over = sum(s.is_over for s in self._last.values())
        parts = [f"{over}/{len(self._last)}", snap.cell.text, _outcome(snap), self._time_left()]
        self.say("  ".join(part for part in parts if part))


def _outcome(snap: Snapshot) -> str:
    if snap.status == "diverged":
        return "diverged"
    return scores_of(snap.cell.config, snap.record) if snap.record else ""
