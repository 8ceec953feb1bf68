"""The history of a run: its id, the settings it began with, and the source code that trained it.

All of it is read from `events.jsonl`. A run has the same bits only with the same code, so each
start and each resumption records a digest of the package's source.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from icl.config.yaml_text import read_yaml
from icl.errors import UserError

EVENTS = "events.jsonl"
# Parts of the package that no number of a run depends on: they read, draw, plan or print.
READERS = (
    *("analysis", "cli", "description", "interface", "sweeps", "theory"),
    *("__main__.py", "errors.py", "register.py"),
)
OTHER_CODE = "--other-code"  # the option that permits to go on with other code
SHOWN = 12  # digits of a digest in messages


@cache
def code_digest() -> str:
    """SHA-256 of the source code that decides the numbers of a run, as hexadecimal.

    It covers all Python files of the package but those of READERS: their paths and bytes, comments
    included. Code of the user's own is not part of it.
    """
    found = hashlib.sha256()
    package = os.path.dirname(os.path.dirname(__file__))  # text, as path objects take too long
    for folder, folders, names in os.walk(package):
        is_top = folder == package
        folders[:] = sorted(name for name in folders if not (is_top and name in READERS))
        for name in sorted(names):
            if name.endswith(".py") and not (is_top and name in READERS):
                path = os.path.join(folder, name)
                with open(path, "rb") as file:
                    content = file.read()
                inside = os.path.relpath(path, package).replace(os.sep, "/")
                found.update(f"{inside} {len(content)}\n".encode() + content)
    return found.hexdigest()


def settings_digest(text: str) -> str:
    """SHA-256 of settings in YAML, whatever their order, comments and layout."""
    plain = json.dumps(read_yaml(text), sort_keys=True)
    return hashlib.sha256(plain.encode()).hexdigest()


def new_run_id() -> str:
    """An id that no other run has."""
    return secrets.token_hex(8)


class Code(NamedTuple):
    """The code that trained from a step on. digest: None where it was not recorded."""

    digest: str | None
    step: int


@dataclass(frozen=True)
class Lengthening:
    """The point from which a run was given more steps than it was first asked for.

    step: of the checkpoint from which it goes on, the end of the shorter run.
    loss_sum, loss_count: sum and number of the losses since the last evaluation that the longer run
        has, which the checkpoint does not hold.
    """

    step: int
    loss_sum: float
    loss_count: int


@dataclass(frozen=True)
class History:
    """What the events of a run record of it.

    run_id: empty if none was recorded.
    settings: digests that `config.yaml` may have; none if not recorded. There are two while the
        file of a lengthened run is replaced.
    codes: the code of all steps that were kept, in order, each with the step at which it began.
    lengthened: the last lengthening, if there is one.
    """

    run_id: str = ""
    settings: tuple[str, ...] = ()
    codes: tuple[Code, ...] = ()
    lengthened: Lengthening | None = None

    @property
    def code(self) -> str | None:
        """The digest of the code that trained last; None if it was not recorded."""
        return self.codes[-1].digest if self.codes else None

    @property
    def is_other_code(self) -> bool:
        """Whether the code that trained last is known, and is not that of this process."""
        return self.code is not None and self.code != code_digest()

    @property
    def code_changes(self) -> list[dict[str, Any]]:
        """The codes as plain values where two or more are known; else none."""
        known = {code.digest for code in self.codes} - {None}
        return [code._asdict() for code in self.codes] if len(known) > 1 else []

    def check_settings(self, path: Path) -> None:
        """Raise UserError where `config.yaml` is no longer what the run began with."""
        if self.settings and settings_digest(path.read_text(encoding="utf-8")) not in self.settings:
            raise UserError(
                f"{path}: edited after the run began; allowed: the settings that the run began "
                "with, or another --out"
            )

    def check_code(self, path: Path) -> None:
        """Raise UserError where the code that trained last is known and not that of this process.

        path: the folder of the run, for the message.
        """
        if self.is_other_code:
            raise UserError(
                f"--out = {path}: trained by source code {str(self.code)[:SHOWN]}, this is "
                f"{code_digest()[:SHOWN]}; allowed: the same code, another --out, or {OTHER_CODE} "
                "to go on with this code"
            )


def read_history(path: Path) -> History:
    """Read the history of the run in a folder from its `events.jsonl`.

    Lines that are torn are skipped: a kill leaves them.
    """
    run_id, code = "", None
    settings: tuple[str, ...] = ()
    codes: list[Code] = []
    lengthened = None
    for event in read_events(path):
        kind = event.get("event")
        if kind in ("start", "resume"):
            code = event.get("code")
            run_id = run_id or event.get("run_id", "")
        if kind == "start" or (kind in ("resume", "restored") and "step" in event):
            codes = _with(codes, Code(code, event.get("step", 0)))
        if kind == "lengthened":
            numbers = (event[name] for name in ("step", "loss_sum", "loss_count"))
            lengthened = Lengthening(*numbers)
            settings = (event["settings_before"], event["settings"])
        elif "settings" in event:
            settings = (event["settings"],)
    return History(run_id, settings, tuple(codes), lengthened)


def _with(codes: list[Code], code: Code) -> list[Code]:
    """The codes of all steps once a run goes on with this one, which makes later steps anew."""
    kept = [before for before in codes if before.step < code.step]
    return kept if kept and kept[-1].digest == code.digest else [*kept, code]


def read_events(path: Path) -> Iterator[dict[str, Any]]:
    """The events of the run in a folder, without lines that are torn."""
    file = path / EVENTS
    lines = file.read_bytes().split(b"\n") if file.exists() else []
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            yield event
