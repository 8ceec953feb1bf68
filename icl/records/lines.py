"""Files of JSON lines: records that are appended, one whole line at a time."""

import json
import os
from pathlib import Path
from typing import Any

from icl.errors import UserError


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
