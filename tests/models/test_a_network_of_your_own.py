"""The network of the documentation is registered from outside and tested like all others."""

import os
import re
import subprocess
import sys
from pathlib import Path

from ..conftest import QUICKSTART
from ..outside import code_of

ROOT = QUICKSTART.parent.parent
KIND = "moving_average"
PLUGIN = f"""
def pytest_configure(config):
    import {KIND}
    from icl.config.networks import NETWORKS

    NETWORKS["{KIND}"] = {KIND}.MovingAverageConfig  # the kinds that tests run over
"""


def test_the_network_of_the_documentation_passes_the_tests_of_networks(tmp_path: Path):
    (tmp_path / f"{KIND}.py").write_text(code_of("networks.md", "## A network of your own"))
    (tmp_path / "with_own_network.py").write_text(PLUGIN)
    chosen = f"{KIND} and (enters or query or batch or init or matrices)"
    files = ["tests/models/test_networks.py", "tests/models/initial/test_connectivity.py"]
    words = ["-p", "with_own_network", "-n", "0", "-q", "-k", chosen]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, *files],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, tmp_path)))},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [passed] = re.findall(r"(\d+) passed", done.stdout)
    assert int(passed) >= 8
