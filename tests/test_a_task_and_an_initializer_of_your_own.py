"""The task and the initializer that the documentation adds work as it says."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import QUICKSTART

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


def code_of(page: str, heading: str) -> list[str]:
    """What is to be added, in the order of the page."""
    text = (ROOT / "docs" / page).read_text().partition(f"# {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def insert(path: Path, text: str, before: str = "", after: str = "") -> None:
    """Around the only place of a text in a file."""
    content = path.read_text()
    assert content.count(text) == 1
    path.write_text(content.replace(text, before + text + after))


def add_task(icl: Path) -> None:
    settings, drawing = code_of("tasks.md", "A task of your own")
    tasks = icl / "data" / "tasks"
    (tasks / "flip_flop.py").write_text(drawing)
    line = "from icl.data.tasks.flip_flop import make_flip_flop\n"
    insert(tasks / "make.py", "from icl.data.tasks.digits import make_digits\n", after=line)
    insert(tasks / "make.py", "Task]] = {\n", after='    "flip_flop": make_flip_flop,\n')
    config = icl / "config" / "tasks.py"
    insert(config, "TaskConfig = Annotated[\n", f"{settings}\n\n", "    FlipFlopTask |\n")


def add_initializer(icl: Path) -> None:
    drawing, settings = code_of("networks.md", "An initializer of your own")
    initial = icl / "models" / "initial"
    (initial / "ring.py").write_text(drawing)
    line = "from icl.models.initial.reference import aligned, from_file\n"
    table = initial / "initializers.py"
    insert(table, line, after="from icl.models.initial.ring import ring\n")
    insert(table, '    "aligned": aligned,\n', after='    "ring": ring,\n')
    config = icl / "config" / "connectivity.py"
    insert(config, "\n\nConnectivity = Annotated[\n", before=f"\n\n{settings}")
    insert(config, "    | AlignedConnectivity", after="\n    | RingConnectivity")


def test_a_run_on_the_task_with_the_initializer(tmp_path: Path, environment: dict[str, str]):
    for name in ("icl", "configs", "scripts"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    add_task(tmp_path / "icl")
    add_initializer(tmp_path / "icl")
    out = tmp_path / "run"
    base = "configs/liu2023/base.yaml"
    done = subprocess.run(
        [sys.executable, "scripts/train.py", base, *SHORT, "--out", str(out)],
        cwd=tmp_path,
        env=os.environ | environment | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    last = json.loads((out / "metrics.jsonl").read_text().splitlines()[-1])["conditions"]["task"]
    assert last["accuracy_chance"] == 0.5
    assert last["accuracy"] > 0.95
    assert 0 < last["kernel_alignment"] < 1
    start = json.loads((out / "connectivity.json").read_text())["recurrent"]
    assert start["norm"] == pytest.approx(0.8 * 24**0.5, rel=1e-5)  # a random one's varies
