"""A run within a user's process leaves the process as it was."""

import os
import subprocess
import sys
from pathlib import Path

from ..conftest import QUICKSTART, small

LOOK_TWICE = """
import logging, signal, sys, threading

def look():
    loggers = [logging.getLogger(name) for name in (None, "absl", "asyncio", "jax", "orbax")]
    return (
        sys.excepthook, threading.excepthook, sys.unraisablehook,
        [(one.level, list(one.handlers), list(one.filters), one.disabled) for one in loggers],
        [signal.getsignal(number) for number in signal.valid_signals()],
    )

before = look()
from icl.config.yaml import load_config
from icl.runs import Progress, train
assert look() == before, "importing"
_, config, out, *overrides = sys.argv
train(load_config(config, overrides), out, Progress())
assert look() == before, "training"
"""


def test_importing_and_training_change_no_hook_logger_or_signal_handler(
    tmp_path: Path, environment: dict[str, str]
):
    words = small("training.num_steps=2", "training.warmup_steps=1", "checkpoints.every=1")
    command = [sys.executable, "-c", LOOK_TWICE, str(QUICKSTART), str(tmp_path / "run"), *words]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "summary.json").exists()
