"""Keeps Orbax's own reports of a failed write off the screen, and nothing else.

Orbax writes checkpoints in threads of its own. Where a write fails, each of them prints a stack
trace; `icl.records.checkpoints` raises one UserError for all of them.

Orbax is imported here alone: it logs as soon as it is imported.
"""

import logging
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any


class StandIn:
    """Keeps absl from configuring the root logger, which it does for good with its first record.

    absl adds a handler where the root logger has none. This puts one there for a while that does
    what Python does without any.
    """

    def __init__(self) -> None:
        self._handler = None if logging.root.handlers else logging.lastResort
        if self._handler:
            logging.root.addHandler(self._handler)

    def remove(self) -> None:
        if self._handler:
            logging.root.removeHandler(self._handler)


_stand_in = StandIn()
import orbax.checkpoint as ocp  # noqa: E402

_stand_in.remove()

FOLDER = str(Path(ocp.__file__).parent.parent)
QUIET_LOGGERS = ("absl", "asyncio")  # of Orbax itself, and of the event loops in its threads


class QuietOrbax:
    """Silences Orbax from the first `start` to the last `stop`; threads may share it.

    Exceptions and log records that are not Orbax's go to the hooks and handlers that were there.
    What was found at the start is put back at the end.
    """

    def __init__(self) -> None:
        self._lock, self._count = threading.Lock(), 0

    def start(self) -> None:
        with self._lock:
            self._count += 1
            if self._count == 1:
                self._install()

    def stop(self) -> None:
        with self._lock:
            self._count -= 1
            if self._count == 0:
                self._put_back()

    def _install(self) -> None:
        self._found = found = threading.excepthook, sys.unraisablehook

        def excepthook(args: Any) -> None:
            if not _is_orbax_thread(args.exc_traceback):
                found[0](args)

        def unraisablehook(args: Any) -> None:
            if not _is_late_callback(args):
                found[1](args)

        self._ours = excepthook, unraisablehook
        threading.excepthook, sys.unraisablehook = self._ours
        for name in QUIET_LOGGERS:
            logging.getLogger(name).addFilter(_is_of_others)
        self._stand_in = StandIn()

    def _put_back(self) -> None:
        # A hook that somebody has put in place meanwhile stays; ours passes on what is not Orbax's.
        if threading.excepthook is self._ours[0]:
            threading.excepthook = self._found[0]
        if sys.unraisablehook is self._ours[1]:
            sys.unraisablehook = self._found[1]
        for name in QUIET_LOGGERS:
            logging.getLogger(name).removeFilter(_is_of_others)
        self._stand_in.remove()


def _is_of_others(record: logging.LogRecord) -> bool:
    """The filter: records that Orbax did not make, and that are not about its tasks."""
    trace = record.exc_info[2] if record.exc_info else None
    is_orbax = (
        record.pathname.startswith(FOLDER)
        or FOLDER in record.getMessage()
        or (record.name == "asyncio" and any(name.startswith(FOLDER) for name in _files(trace)))
    )
    return not is_orbax


def _is_orbax_thread(trace: TracebackType | None) -> bool:
    """Whether an exception ended a thread that Orbax started."""
    own = [name for name in _files(trace) if name != threading.__file__]
    return bool(own) and own[0].startswith(FOLDER)


def _is_late_callback(args: Any) -> bool:
    """Whether a write ended after the event loop that waited for it, in a thread of the storage.

    Its traceback names no file of Orbax. So the same error of other code, if no object is named,
    is hidden too while checkpoints are open.
    """
    return (
        args.object is None
        and isinstance(args.exc_value, RuntimeError)
        and str(args.exc_value) == "Event loop is closed"
    )


def _files(trace: TracebackType | None) -> list[str]:
    """The files that a traceback passes through, outermost first."""
    names = []
    while trace is not None:
        names.append(trace.tb_frame.f_code.co_filename)
        trace = trace.tb_next
    return names
