"""One run over several devices and processes is the run on one."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from icl.records import load
from icl.runs.progress import Progress
from icl.runs.run import train

from ..conftest import QUICKSTART, small
from ..messages import check_line

SCRIPT = QUICKSTART.parent.parent / "scripts" / "train.py"
# Gradients that are zero but for rounding move nothing.
WORDS = ("training.optimizer=sgd", "training.learning_rate=0.1", "checkpoints.every=20")


def start(out: Path, words: tuple[str, ...], environment: dict[str, str]) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *small(*words), "--distributed", "--out", str(out)],
        env=os.environ | {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start_two(out: Path, words: tuple[str, ...]) -> list[subprocess.Popen]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    common = {
        "JAX_COORDINATOR_ADDRESS": address,
        "JAX_NUM_PROCESSES": "2",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
    }
    return [start(out, words, common | {"JAX_PROCESS_ID": str(i)}) for i in range(2)]


@pytest.mark.slow
def test_two_processes_of_two_devices_go_on_where_one_stopped(tmp_path: Path, small_config):
    train(small_config(*WORDS), tmp_path / "one", Progress())
    train(small_config(*WORDS, "training.num_steps=20"), tmp_path / "two", Progress())
    for process in start_two(tmp_path / "two", WORDS):
        _, err = process.communicate(timeout=200)
        assert process.returncode == 0, err
    one, two = load(tmp_path / "one"), load(tmp_path / "two")
    assert list(two.step) == list(one.step) == [0, 10, 20, 30, 40]
    np.testing.assert_allclose(two.train_loss, one.train_loss, rtol=1e-4)
    np.testing.assert_allclose(two.loss, one.loss, rtol=1e-3)


def test_a_batch_that_cannot_be_parted_is_refused(tmp_path: Path):
    three = {"XLA_FLAGS": "--xla_force_host_platform_device_count=3"}
    process = start(tmp_path / "out", WORDS, three)
    _, err = process.communicate(timeout=200)
    assert process.returncode == 2
    check_line(err.splitlines()[-1], "error: training.batch_size = 8", "3 devices", "3")
    assert "Traceback" not in err


def test_processes_that_do_not_find_each_other_are_refused(tmp_path: Path):
    process = start(tmp_path / "out", WORDS, {"JAX_COORDINATOR_ADDRESS": "127.0.0.1:1"})
    _, err = process.communicate(timeout=200)
    assert process.returncode == 2
    assert err.startswith("error: JAX_COORDINATOR_ADDRESS = 127.0.0.1:1")
    assert not (tmp_path / "out").exists()
