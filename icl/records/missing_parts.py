"""Parts from outside that a run used, and that are not registered when it is read."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from icl.config.used_parts import missing_parts
from icl.errors import UserError
from icl.records.history import EVENTS
from icl.records.lines import read_lines


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
