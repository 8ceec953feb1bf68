"""The network that the documentation adds works as the documentation says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from ..conftest import QUICKSTART

ROOT = QUICKSTART.parent.parent
KIND = "moving_average"


def test_a_network_added_as_the_documentation_says_is_tested_like_all_others(tmp_path: Path):
    for name in ("icl", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    text = (ROOT / "docs" / "networks.md").read_text().partition("## A network of your own")[2]
    mixer, settings = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    [name] = re.findall(r"^class (\w+)", settings)
    (tmp_path / "icl" / "models" / "mixers" / f"{KIND}.py").write_text(mixer)
    networks = tmp_path / "icl" / "config" / "networks.py"
    for place, added in (
        ("Model = Annotated[", f"{settings}\n\nModel = Annotated["),
        ("    | HyenaConfig,", f"    | HyenaConfig\n    | {name},"),
    ):
        content = networks.read_text()
        assert content.count(place) == 1
        networks.write_text(content.replace(place, added))
    chosen = f"{KIND} and (enters or query or batch or init or matrices)"
    files = ["tests/models/test_networks.py", "tests/models/initial/test_connectivity.py"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "0", "-q", "-k", chosen, *files],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [passed] = re.findall(r"(\d+) passed", done.stdout)
    assert int(passed) >= 8
