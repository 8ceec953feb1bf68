"""The directory of a run: its lock, and its files other than checkpoints.

    config.yaml         the resolved config; its presence marks the directory of a run
    events.jsonl        starts, resumptions and ends, with versions, device, and wall-clock times;
                        the run's id, and digests of its settings and of the source code
    connectivity.json   each initial weight matrix: norm, ranks, spectral radius
    metrics.jsonl       one line for each evaluation; bit-identical however often a run was killed
    summary.json        final and best scores; its presence means that the run is finished
    failure.json        the reason why a run cannot go on, such as a loss that is not finite

A file is either appended to, one fsynced line at a time, or replaced as a whole.
"""

import hashlib
import json
import time
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from filelock import FileLock, Timeout

from icl.config import AnyConfig
from icl.config.yaml import differences, dump_config, load_config
from icl.errors import UserError
from icl.files import write_whole
from icl.records.history import (
    EVENTS,
    History,
    Lengthening,
    code_digest,
    new_run_id,
    read_history,
    settings_digest,
)
from icl.records.lines import append_line, read_lines
from icl.records.missing_parts import parts_missing_in

CONFIG, METRICS, SUMMARY = "config.yaml", "metrics.jsonl", "summary.json"
CONNECTIVITY, FAILURE = "connectivity.json", "failure.json"
LOCK = ".lock"
SEQUENCES = "sequences.png"  # examples of the training data
OTHER_CODE_NOTE = (
    f"other source code trained the steps so far; {EVENTS} and {SUMMARY} will hold both digests"
)
UNKNOWN_CODE_NOTE = (
    "the source code of the steps so far is not recorded: the run is reproducible only if it was "
    "this release's"
)


def step_of(path: Path) -> int:
    """The step of the last checkpoint of the run in a folder; 0: none."""
    folder = path / "checkpoints"
    steps = [int(entry.name) for entry in folder.glob("*") if entry.name.isdigit()]
    return max(steps, default=0)


def failure_of(folder: Path) -> str:
    """Reason why the run in a folder cannot go on; empty if it can."""
    path = folder / FAILURE
    return json.loads(path.read_text(encoding="utf-8"))["reason"] if path.exists() else ""


class RunDirectory:
    """A run's directory, held by one process at a time while used as a context manager.

    Only the lock is written before `begin`; without a `begin`, folders made for the lock are
    removed again.

    patience: seconds to wait where another process holds the folder.
    other_code: whether to go on with a run that other source code has trained.
    may_lengthen: whether `config` may ask for more steps than the folder's own. Then the other one
        is `shorter`, and `lengthen` puts `config` in its place.

    history: of the run, as it was when the folder was opened, or once the run has begun.
    notes: lines about the run's code, for a person to read.

    Raises UserError where the folder cannot be used for `config`.
    """

    def __init__(
        self,
        path: str | Path,
        config: AnyConfig,
        patience: float = 0.0,
        other_code: bool = False,
        may_lengthen: bool = False,
    ):
        self.path = Path(path).absolute()
        self._patience, self._other_code, self._may_lengthen = patience, other_code, may_lengthen
        self.config = config
        self.shorter: AnyConfig | None = None
        self.history = History()
        self.notes: list[str] = []
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
        return failure_of(self.path)

    def begin(self, environment: dict[str, Any]) -> None:
        """Write the config, if it is not there, and the event that a process started."""
        details = environment | {"code": code_digest()}
        if self.has_begun:
            kind, details["step"] = "resume", step_of(self.path)
        else:
            kind = "start"
            write_whole(self.path / CONFIG, dump_config(self.config))
        if not self.history.run_id:
            details["run_id"] = new_run_id()
        if not self.history.settings:
            details["settings"] = settings_digest((self.path / CONFIG).read_text(encoding="utf-8"))
        _end_last_line(self.path / EVENTS)
        self.log(kind, **details)
        self.history = read_history(self.path)

    def lengthen(self, since: Lengthening) -> None:
        """Put the longer config in the place of the shorter one, and forget the end of that run.

        A kill between two of the writes does no harm: the same command makes them again.
        """
        assert self.shorter is not None
        (self.path / SUMMARY).unlink(missing_ok=True)
        _end_last_line(self.path / EVENTS)
        old, new = (self.path / CONFIG).read_text(encoding="utf-8"), dump_config(self.config)
        self.log(
            "lengthened",
            was=self.shorter.training.num_steps,
            num_steps=self.config.training.num_steps,
            settings_before=settings_digest(old),
            settings=settings_digest(new),
            **asdict(since),
        )
        write_whole(self.path / CONFIG, new)
        self.shorter, self.history = None, read_history(self.path)

    def log(self, event: str, **details: Any) -> None:
        """Add an event with the wall-clock time, for people to read."""
        append_line(self.path / EVENTS, {"event": event, "time": time.time()} | details)

    def record(self, metrics: dict[str, Any]) -> None:
        """Add the metrics of one evaluation."""
        append_line(self.path / METRICS, metrics)

    def rewind(self, step: int, dropped: int | None = None) -> list[dict[str, Any]]:
        """Delete evaluations after `step` and a torn last line; return those that remain.

        dropped: step of another evaluation to delete; None: no other.
        """
        path = self.path / METRICS
        records = read_lines(path)
        if not all(isinstance(record.get("step"), int) for record in records):
            raise UserError(
                f"{path}: a line has no step; restore the file or start in a new folder"
            )
        records = [r for r in records if r["step"] <= step and r["step"] != dropped]
        lines = [json.dumps(record) + "\n" for record in records]
        write_whole(path, "".join(lines))
        return records

    def fail(self, step: int, reason: str) -> None:
        """Write why the run cannot go on after a step."""
        self.log("diverged", step=step)
        write_whole(self.path / FAILURE, json.dumps({"step": step, "reason": reason}) + "\n")

    def finish(self, summary: dict[str, Any]) -> None:
        """Write the summary: the last file of a run.

        It holds the digest of the metrics and, where different source code is known to have trained
        the run, the digest of each with the step from which it trained.
        """
        digest = hashlib.sha256((self.path / METRICS).read_bytes()).hexdigest()
        changes = read_history(self.path).code_changes
        code = {"code": changes} if changes else {}
        whole = summary | code | {"metrics_sha256": digest}
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
        if lines and self._may_lengthen and _is_longer(old, self.config):
            self.shorter = old
        elif lines:
            raise UserError(
                *(f"{line} in {self.path}; allowed: the same, or another --out" for line in lines)
            )
        self.history = read_history(self.path)
        self.history.check_settings(config_path)
        if self.shorter or not (self.is_finished or self.failure):
            self._check_code()

    def _check_code(self) -> None:
        """Compare the code that made the steps so far, if any are kept, with this process's."""
        if not step_of(self.path):
            return
        if not self._other_code:
            self.history.check_code(self.path)
        if self.history.is_other_code:
            self.notes.append(OTHER_CODE_NOTE)
        elif self.history.code is None:
            self.notes.append(UNKNOWN_CODE_NOTE)

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


def _is_longer(old: AnyConfig, new: AnyConfig) -> bool:
    """Whether a config is another one with more steps."""
    training = old.training.model_copy(update={"num_steps": new.training.num_steps})
    is_same = old.model_copy(update={"training": training}) == new
    return is_same and new.training.num_steps > old.training.num_steps


def _end_last_line(path: Path) -> None:
    """Close a line torn by a kill, so that the next one stands alone."""
    if path.exists() and not path.read_bytes().endswith(b"\n"):
        with path.open("ab") as file:
            file.write(b"\n")
