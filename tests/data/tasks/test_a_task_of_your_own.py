"""The task that the documentation adds works as the documentation says."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import QUICKSTART

ROOT = QUICKSTART.parent.parent
SHORT = (
    "task.kind=flip_flop",
    "model.width=24",
    "training.num_steps=600",
    "training.optimizer=adam",
    "evaluation.every=300",
    "evaluation.num_trials=64",
    "evaluation.num_kernel_trials=8",
)


def put_after(path: Path, text: str, added: str) -> None:
    before = path.read_text()
    assert before.count(text) == 1
    path.write_text(before.replace(text, text + added))


def test_a_task_added_as_the_documentation_says_trains_and_is_measured(
    tmp_path: Path, environment: dict[str, str]
):
    for name in ("icl", "configs", "scripts"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    code = (ROOT / "docs" / "tasks.md").read_text()
    settings, drawing = re.findall(r"```python\n(.*?)```", code, re.DOTALL)
    tasks = tmp_path / "icl" / "data" / "tasks"
    (tasks / "flip_flop.py").write_text(drawing)
    registry = tasks / "__init__.py"
    imported = "from icl.data.tasks.digits import make_digits\n"
    put_after(registry, imported, "from icl.data.tasks.flip_flop import make_flip_flop\n")
    put_after(registry, "Task]] = {\n", '    "flip_flop": make_flip_flop,\n')
    config = tmp_path / "icl" / "config" / "tasks.py"
    put_after(config, "TaskConfig = Annotated[\n", "    FlipFlopTask |\n")
    config.write_text(config.read_text().replace("TaskConfig =", f"{settings}\n\nTaskConfig ="))

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
