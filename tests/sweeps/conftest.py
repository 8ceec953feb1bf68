"""What tests of sweeps share: a grid of seconds, and scripts as a user calls them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray

from icl.config.grid import Sweep, load_sweep
from icl.config.yaml import load_config
from icl.config.yaml_text import dump_yaml
from icl.errors import Interrupted
from icl.records import load
from icl.records.run_directory import RunDirectory
from icl.records.storage import Store
from icl.records.sweep_directory import SweepDirectory
from icl.sweeps.plan import plan
from icl.sweeps.programs import ProgramCache
from icl.sweeps.progress import SweepProgress
from icl.sweeps.run import run_sweeps
from icl.sweeps.worker import Worker

from ..conftest import QUICKSTART, small

ROOT = Path(__file__).parent.parent.parent
GRID = {"data.p_bursty": [0.0, 1.0], "seed": [0, 1]}


def write_grid(path: Path, *overrides: str, **entries) -> Path:
    """A grid over the small experiment, in a file."""
    base = load_config(QUICKSTART, small(*overrides)).model_dump(mode="json", exclude_unset=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dump_yaml({"base": base, "grid": GRID} | entries))
    return path


@pytest.fixture
def small_sweep(tmp_path: Path) -> Callable[..., Sweep]:
    """(override of the base, ..., entry of the grid file) -> the grid."""

    def make(*overrides: str, **entries) -> Sweep:
        return load_sweep(write_grid(tmp_path / "grid.yaml", *overrides, **entries))

    return make


def train(sweep: Sweep, out: Path | str, engine: str = "auto") -> xarray.Dataset:
    """Run a sweep in this process, in a folder or at an address; its array."""
    run_sweeps([sweep], Store(str(out)), SweepProgress(), engine)
    return load(out, sweep.name)


def train_halfway(sweep: Sweep, out: Path, engine: str, step: int) -> None:
    """Train all cells up to an evaluation, at which a signal arrives: they are saved and stop."""
    received: list[int] = []
    record = RunDirectory.record

    def record_and_stop(directory: RunDirectory, metrics: dict) -> None:
        record(directory, metrics)
        if metrics["step"] == step:
            received.append(signal.SIGTERM)

    directory = SweepDirectory(out)
    with pytest.MonkeyPatch.context() as patch, directory.held([sweep]):
        patch.setattr(RunDirectory, "record", record_and_stop)
        for job in plan(directory, sweep.cells, engine):
            received.clear()
            with pytest.raises(Interrupted):
                Worker(ProgramCache(), received).run(job)


def metrics_of(out: Path) -> dict[str, bytes]:
    """The records of all cells, by cell."""
    return {file.parent.name: file.read_bytes() for file in out.glob("cells/*/metrics.jsonl")}


def assert_same_array(one: xarray.Dataset, other: xarray.Dataset) -> None:
    assert one.attrs["missing"] == other.attrs["missing"] == []
    xarray.testing.assert_identical(one.drop_attrs(), other.drop_attrs())


def assert_close_array(one: xarray.Dataset, other: xarray.Dataset) -> None:
    """Within reassociation of floating-point sums, which may turn a few answers of 32."""
    assert one.attrs["missing"] == other.attrs["missing"] == []
    np.testing.assert_allclose(one.train_loss, other.train_loss, rtol=1e-3)
    np.testing.assert_allclose(one.loss, other.loss, rtol=2e-2)
    np.testing.assert_allclose(one.accuracy, other.accuracy, atol=0.1)


class Script:
    """scripts/sweep.py as a user calls it."""

    def __init__(self, environment: dict[str, str], *words: object, shell: str = ""):
        command = [sys.executable, str(ROOT / "scripts" / "sweep.py"), *map(str, words)]
        if shell:
            command = ["bash", "-c", f'{shell}; exec "$@"', "bash", *command]
        self.process = subprocess.Popen(
            command,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self, timeout: float = 300) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=timeout)
        return self.process.returncode, out, err

    def wait_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 200
        while not condition():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


def steps_made(out: Path) -> int:
    """Steps of all cells together, as far as they are recorded."""
    total = 0
    for file in out.glob("cells/*/metrics.jsonl"):
        lines = file.read_bytes().split(b"\n")[:-1]
        total += max((json.loads(line)["step"] for line in lines), default=0)
    return total


def trained(folder: Path, environment: dict[str, str], *overrides: str) -> tuple[Path, Path]:
    """A grid in a file, and the directory of its sweep, which ended well."""
    grid, out = write_grid(folder / "grid.yaml", *overrides), folder / "out"
    code, _, err = Script(environment, grid, "--out", out).end()
    assert code == 0, err
    return grid, out


@pytest.fixture(autouse=True)
def _programs_made_once(programs_made_once: None) -> None:
    """Runs of these tests differ in their records and in numbers, hardly ever in their programs."""
