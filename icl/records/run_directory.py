"""The directory of a run: its lock, and its files other than checkpoints.

    config.yaml         the resolved config; its presence marks the directory of a run
    events.jsonl        starts, resumptions and ends, with versions, device, and wall-clock times
    connectivity.json   each initial weight matrix: norm, ranks, spectral radius
    metrics.jsonl       one line for each evaluation; bit-identical however often a run was killed
    summary.json        final and best scores; its presence means that the run is finished
    failure.json        the reason why a run cannot go on, such as a loss that is not finite

A file is either appended to, one fsynced line at a time, or replaced as a whole.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from filelock import FileLock, Timeout

from icl.config import AnyConfig
from icl.config.used_parts import missing_parts
from icl.config.yaml import differences, dump_config, load_config
from icl.errors import UserError
from icl.files import write_whole

CONFIG, EVENTS, METRICS, SUMMARY = "config.yaml", "events.jsonl", "metrics.jsonl", "summary.json"
CONNECTIVITY, FAILURE = "connectivity.json", "failure.json"
LOCK = ".lock"
SEQUENCES = "sequences.png"  # examples of the training data


def append_line(path: Path, record: dict[str, Any]) -> None:
    """Add one JSON line, which is on the disk when this returns."""
    try:
        with path.open("ab") as file:
            file.write(json.dumps(record).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The records of a JSON-lines file, without a torn last line from a write cut short.

    Raises UserError for a broken line before the last.
    """
    if not path.exists():
        return []
    records = []
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines[:-1], 1):
        try:
            record = json.loads(line)
            if not isinstance(record, dict):
                raise ValueError
        except ValueError:
            if number == len(lines) - 1:
                break
            raise UserError(
                f"{path}: line {number} is corrupt; restore the file or start in a new folder"
            ) from None
        records.append(record)
    return records


def parts_missing_in(folder: str | Path) -> list[str]:
    """A line for each part from outside that a run, or a sweep's runs, used and that is missing."""
    lines: dict[str, None] = {}
    for path in (Path(folder) / EVENTS, *sorted(Path(folder).glob(f"*/*/{EVENTS}"))):
        try:
            events = read_lines(path)
        except (OSError, UserError):  # for people to read: its mistakes stop nothing
            continue
        recorded = [event["parts"] for event in events if "parts" in event]
        lines |= dict.fromkeys(missing_parts(recorded[-1]) if recorded else [])
    return list(lines)


@contextmanager
def naming_missing_parts(folder: str | Path) -> Iterator[None]:
    """Around the reading of a config: where it fails because parts are missing, name these.

    folder: of a run or a sweep, whose records say where the parts came from.
    """
    try:
        yield
    except UserError:
        if lines := parts_missing_in(folder):
            raise UserError(*lines) from None
        raise


class RunDirectory:
    """A run's directory, held by one process at a time while used as a context manager.

    Only the lock is written before `begin`; without a `begin`, folders made for the lock are
    removed again.

    patience: seconds to wait where another process holds the folder.

    Raises UserError where the folder cannot be used for `config`.
    """

    def __init__(self, path: str | Path, config: AnyConfig, patience: float = 0.0):
        self.path = Path(path).absolute()
        self._patience = patience
        self.config = config
        self._made: list[Path] = []
        self._lock = FileLock(self.path / LOCK)

    def __enter__(self) -> "RunDirectory":
        try:
            self._make_folders()
            self._lock.acquire(timeout=self._patience)
        except Timeout:
            raise UserError(
                f"--out = {self.path}: in use by another process; wait for it or choose another"
            ) from None
        except OSError as error:
            self._remove_folders()
            raise UserError(
                f"--out = {self.path}: cannot be written ({error.strerror}); "
                "allowed: a folder that can"
            ) from None
        try:
            self._check()
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._release()

    @property
    def has_begun(self) -> bool:
        return (self.path / CONFIG).exists()

    @property
    def is_finished(self) -> bool:
        return (self.path / SUMMARY).exists()

    @property
    def failure(self) -> str:
        """Reason why the run cannot go on; empty if it can."""
        path = self.path / FAILURE
        return json.loads(path.read_text())["reason"] if path.exists() else ""

    def begin(self, environment: dict[str, Any]) -> None:
        """Write the config, if it is not there, and the event that a process started."""
        kind = "resume" if self.has_begun else "start"
        if not self.has_begun:
            write_whole(self.path / CONFIG, dump_config(self.config))
        _end_last_line(self.path / EVENTS)
        self.log(kind, **environment)

    def log(self, event: str, **details: Any) -> None:
        """Add an event with the wall-clock time, for people to read."""
        append_line(self.path / EVENTS, {"event": event, "time": time.time()} | details)

    def record(self, metrics: dict[str, Any]) -> None:
        """Add the metrics of one evaluation."""
        append_line(self.path / METRICS, metrics)

    def rewind(self, step: int) -> list[dict[str, Any]]:
        """Delete evaluations after `step` and a torn last line; return those that remain."""
        path = self.path / METRICS
        records = read_lines(path)
        if not all(isinstance(record.get("step"), int) for record in records):
            raise UserError(
                f"{path}: a line has no step; restore the file or start in a new folder"
            )
        records = [record for record in records if record["step"] <= step]
        lines = [json.dumps(record) + "\n" for record in records]
        write_whole(path, "".join(lines))
        return records

    def fail(self, step: int, reason: str) -> None:
        """Write why the run cannot go on after a step."""
        self.log("diverged", step=step)
        write_whole(self.path / FAILURE, json.dumps({"step": step, "reason": reason}) + "\n")

    def finish(self, summary: dict[str, Any]) -> None:
        """Write the summary: the last file of a run. It holds the digest of the metrics."""
        digest = hashlib.sha256((self.path / METRICS).read_bytes()).hexdigest()
        whole = summary | {"metrics_sha256": digest}
        write_whole(self.path / SUMMARY, json.dumps(whole, indent=2) + "\n")

    def _check(self) -> None:
        config_path = self.path / CONFIG
        if not config_path.exists():
            names = {entry.name for entry in self.path.iterdir()} - {LOCK, f".{CONFIG}.tmp"}
            if names:
                raise UserError(
                    f"--out = {self.path}: holds {sorted(names)[0]} but no {CONFIG}; "
                    "allowed: a new or empty folder, or that of a run"
                )
            return
        try:
            old = load_config(config_path)
        except UserError as error:
            if missing := parts_missing_in(self.path):
                raise UserError(*missing) from None
            raise UserError(
                f"{config_path}: not a config of this version ({error.args[0]}); "
                "allowed: a new folder"
            ) from None
        lines = differences(old, self.config)
        if lines:
            raise UserError(
                *(f"{line} in {self.path}; allowed: the same, or another --out" for line in lines)
            )

    def _make_folders(self) -> None:
        missing = [p for p in (self.path, *self.path.parents) if not p.exists()]
        for folder in reversed(missing):
            folder.mkdir(exist_ok=True)
            self._made.append(folder)

    def _release(self) -> None:
        if not self.has_begun:
            (self.path / LOCK).unlink(missing_ok=True)
        self._lock.release()
        if not self.has_begun:
            self._remove_folders()

    def _remove_folders(self) -> None:
        for folder in reversed(self._made):
            try:
                folder.rmdir()
            except OSError:
                return


def _end_last_line(path: Path) -> None:
    """Close a line torn by a kill, so that the next one stands alone."""
    if path.exists() and not path.read_bytes().endswith(b"\n"):
        with path.open("ab") as file:
            file.write(b"\n")
