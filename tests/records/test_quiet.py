"""While checkpoints are open only Orbax's own reports are silent; then all is as it was before."""

import logging
import resource
import sys
import threading
from pathlib import Path
from typing import Any

import jax
import pytest

from icl.config import CheckpointConfig
from icl.records.checkpoints import Checkpoints
from icl.records.quiet import FOLDER, QuietOrbax

from ..messages import refused

# Random numbers, which cannot be compressed to less than the limit of a file's size.
STATE = {"kernel": jax.random.normal(jax.random.key(0), (64, 64))}
NAMES = ("absl", "asyncio")


class Hooks:
    """A user's hooks, and what they receive."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.received: list[Any] = []
        monkeypatch.setattr(threading, "excepthook", self.thread)
        monkeypatch.setattr(sys, "unraisablehook", self.unraisable)
        self.found = self.state()

    def thread(self, args: Any) -> None:
        self.received.append(args.exc_type)

    def unraisable(self, args: Any) -> None:
        self.received.append(args.exc_type)

    def state(self) -> tuple[Any, ...]:
        loggers = [logging.getLogger(name) for name in (None, *NAMES)]
        levels = [(one.level, list(one.handlers), list(one.filters)) for one in loggers]
        return threading.excepthook, sys.unraisablehook, levels


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> Hooks:
    return Hooks(monkeypatch)


class Fragile:
    def __del__(self) -> None:
        raise ValueError


def fail() -> None:
    raise ZeroDivisionError


def fail_in_a_thread() -> None:
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()


def test_what_fails_elsewhere_is_reported_while_checkpoints_are_open(
    hooks: Hooks, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    with Checkpoints(tmp_path / "checkpoints", CheckpointConfig()):
        fail_in_a_thread()
        Fragile()
        for name in NAMES:
            logging.getLogger(name).error("of %s", name)
    assert hooks.received == [ZeroDivisionError, ValueError]
    assert [record.getMessage() for record in caplog.records] == ["of absl", "of asyncio"]
    assert hooks.state() == hooks.found


def test_a_write_that_fails_is_reported_by_its_error_alone(
    hooks: Hooks, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Checkpoints(tmp_path / "checkpoints", CheckpointConfig()) as checkpoints:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # as a full disk would
        try:
            checkpoints.save(1, STATE)
            with refused(str(tmp_path / "checkpoints"), "write"):
                checkpoints.wait()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert hooks.received == []
    assert [record for record in caplog.records if record.name in NAMES] == []
    assert hooks.state() == hooks.found


def test_the_last_of_several_puts_back_what_the_first_found(hooks: Hooks):
    """Writers may end in any order."""
    quiet = QuietOrbax()
    for _ in range(2):
        quiet.start()
        ours = hooks.state()
        assert ours != hooks.found
        quiet.start()
        assert hooks.state() == ours
        quiet.stop()
        assert hooks.state() == ours
        quiet.stop()
        assert hooks.state() == hooks.found


def test_a_hook_that_is_set_meanwhile_stays(hooks: Hooks, monkeypatch: pytest.MonkeyPatch):
    quiet, own = QuietOrbax(), []
    quiet.start()
    before = threading.excepthook

    def hook(args: Any) -> None:
        own.append(args.exc_type)
        before(args)

    monkeypatch.setattr(threading, "excepthook", hook)
    quiet.stop()
    assert threading.excepthook is hook
    fail_in_a_thread()
    assert own == hooks.received == [ZeroDivisionError]


def test_threads_of_orbax_and_records_of_orbax_are_silent(hooks: Hooks):
    """Whatever it lets its threads raise, in this release or another."""
    quiet = QuietOrbax()
    quiet.start()
    code = compile("def run(function):\n    function()\n", f"{FOLDER}/some/file.py", "exec")
    scope: dict[str, Any] = {}
    exec(code, scope)
    threads = [
        threading.Thread(target=scope["run"], args=(fail,)),  # started by Orbax
        threading.Thread(target=lambda: scope["run"](fail)),  # a user's, which calls Orbax
    ]
    for thread in threads:
        thread.start()
        thread.join()
    quiet.stop()
    assert hooks.received == [ZeroDivisionError]
