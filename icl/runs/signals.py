"""Ctrl+C and SIGTERM, collected so that a run can save before it ends."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def deferred_signals(say: Callable[[str], None]) -> Iterator[list[int]]:
    """Collect Ctrl+C and SIGTERM instead of ending; a second one ends the process at once.

    Signals reach only the main thread of a process; in other threads nothing is collected. On
    exit the handlers found at the beginning are put back; the default one, in place of a handler
    that was not installed from Python.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def note(number: int, frame: FrameType | None) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)
        say("stopping after this step; a second signal stops at once")

    previous = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            # None: a handler that was not installed from Python, which cannot be put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
