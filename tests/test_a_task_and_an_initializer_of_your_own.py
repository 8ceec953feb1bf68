"""The task and the initializer of the documentation work as an installed package of a user."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import QUICKSTART
from .outside import code_of, install

ROOT = QUICKSTART.parent.parent
SHORT = (
    "task.kind=flip_flop",
    "connectivity.recurrent={kind: ring, reach: 0.05, gain: 0.8}",
    "model.width=24",
    "training.num_steps=600",
    "training.optimizer=adam",
    "evaluation.every=300",
    "evaluation.num_trials=64",
    "evaluation.num_kernel_trials=8",
)
PACKAGE = {
    "flip_flop": code_of("tasks.md", "## A task of your own"),
    "ring": code_of("networks.md", "### An initializer of your own"),
    "parts": "import memory.flip_flop, memory.ring",
}


def test_a_run_on_the_task_with_the_initializer(tmp_path: Path, environment: dict[str, str]):
    install(tmp_path / "site", "memory", PACKAGE)
    out = tmp_path / "run"

    def run(*paths: Path) -> subprocess.CompletedProcess[str]:
        words = [str(ROOT / "configs" / "liu2023" / "base.yaml"), *SHORT, "--out", str(out)]
        return subprocess.run(
            [sys.executable, str(ROOT / "scripts" / "train.py"), *words],
            cwd=tmp_path,
            env=os.environ | environment | {"PYTHONPATH": os.pathsep.join(map(str, paths))},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    done = run(ROOT, tmp_path / "site")
    assert done.returncode == 0, done.stdout + done.stderr
    last = json.loads((out / "metrics.jsonl").read_text().splitlines()[-1])["conditions"]["task"]
    assert last["accuracy_chance"] == 0.5
    assert last["accuracy"] > 0.95
    assert 0 < last["kernel_alignment"] < 1
    start = json.loads((out / "connectivity.json").read_text())["recurrent"]
    assert start["norm"] == pytest.approx(0.8 * 24**0.5, rel=1e-5)  # a random one's varies
    event = json.loads((out / "events.jsonl").read_text().splitlines()[0])
    of_package = {"package": "memory", "version": "0.3"}
    assert event["parts"] == [
        {"field": "task.kind", "sort": "task", "name": "flip_flop"} | of_package,
        {"field": "connectivity.recurrent.kind", "sort": "initializer", "name": "ring"}
        | of_package,
    ]
    without = run(ROOT)
    assert without.returncode == 2
    assert without.stderr.splitlines() == [
        f"error: {field} = {name}: a part that is not registered; this run used {name} 0.3 of "
        "package memory; import it or install it"
        for field, name in (("task.kind", "flip_flop"), ("connectivity.recurrent.kind", "ring"))
    ]
