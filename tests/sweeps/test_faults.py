"""What may happen to a sweep: afterwards all finished cells are there, the rest completes, and the
array is that of a sweep to which nothing happened."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from icl.config.grid import load_sweep
from icl.records import load
from icl.records.lines import read_lines
from icl.records.run_directory import RunDirectory
from icl.records.sweep_directory import SweepDirectory

from .conftest import (
    ROOT,
    Script,
    assert_close_array,
    assert_same_array,
    metrics_of,
    steps_made,
    train,
    trained,
    write_grid,
)

# Long enough to be hit in the middle.
LONG = ("training.num_steps=1200", "evaluation.every=100", "checkpoints.every=100")
ENDLESS = ("training.num_steps=1000000",)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, environment) -> tuple[Path, Path]:
    """A grid of long runs, and where it was trained without a fault."""
    return trained(tmp_path_factory.mktemp("whole"), environment, *LONG)


@pytest.mark.slow
def test_the_driver_may_be_killed_at_any_moment(whole, tmp_path: Path, environment):
    grid, expected = whole
    out = tmp_path / "out"
    for share in (0.2, 0.6):
        script = Script(environment, grid, "--out", out)
        script.wait_until(lambda share=share: steps_made(out) >= share * 4 * 1200)
        script.kill()
    finished = {p.parent: p.stat().st_mtime_ns for p in out.glob("cells/*/summary.json")}
    assert finished
    code, stdout, err = Script(environment, grid, "--out", out).end()
    assert code == 0, err
    assert "finished" in stdout
    assert metrics_of(out) == metrics_of(expected)
    assert_same_array(load(out), load(expected))
    assert {p: (p / "summary.json").stat().st_mtime_ns for p in finished} == finished


def test_a_signal_saves_all_and_says_how_to_go_on(tmp_path: Path, environment):
    grid, out = write_grid(tmp_path / "grid.yaml", *ENDLESS), tmp_path / "out"
    script = Script(environment, grid, "--out", out)
    script.wait_until(lambda: steps_made(out) > 0)
    script.process.send_signal(signal.SIGTERM)
    code, _, err = script.end()
    assert code == 128 + signal.SIGTERM
    assert "to resume: python" in err
    assert "Traceback" not in err


def test_a_second_sweep_on_one_directory_is_refused(script, tmp_path: Path):
    """And leaves alone what the first one has there."""
    grid, out = write_grid(tmp_path / "grid.yaml"), tmp_path / "out"
    with SweepDirectory(out).held([load_sweep(grid)]):
        before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
        assert before
        done = script("sweep.py", grid, "--out", out, cwd=tmp_path)
        assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "in use by another process" in done.stderr


@pytest.mark.slow
def test_a_disk_that_fills_up_is_an_error_and_the_sweep_goes_on_once_there_is_room(
    whole, tmp_path: Path, environment
):
    """Files may not grow beyond so many blocks, as on a full disk. Two cells are finished."""
    grid, expected = whole
    out = tmp_path / "out"
    shutil.copytree(expected, out)
    cells = sorted((out / "cells").iterdir())
    for cell in cells[2:]:
        shutil.rmtree(cell)
    finished = {cell.name: (cell / "metrics.jsonl").read_bytes() for cell in cells[:2]}
    code, _, err = Script(environment, grid, "--out", out, shell="ulimit -f 100").end()
    assert code == 2, err
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith("error: ")
    assert metrics_of(out).items() >= finished.items()
    code, _, err = Script(environment, grid, "--out", out).end()
    assert code == 0, err
    assert "corrupt" not in err
    assert metrics_of(out) == metrics_of(expected)
    assert_same_array(load(out), load(expected))


def test_corrupt_cells_are_set_aside_and_made_anew(script, tmp_path: Path):
    grid, expected, out = tmp_path / "grid.yaml", tmp_path / "expected", tmp_path / "out"
    train(load_sweep(write_grid(grid)), expected)
    shutil.copytree(expected, out)
    cells = sorted((out / "cells").iterdir())
    metrics = cells[0] / "metrics.jsonl"
    metrics.write_text(metrics.read_text().replace("0.5", "0.6", 1))
    (cells[1] / "summary.json").write_text('{"step": 12')
    (cells[2] / "summary.json").unlink()
    for file in (cells[2] / "checkpoints").rglob("d/*"):
        file.write_bytes(file.read_bytes()[:-20])
    (cells[3] / "config.yaml").write_bytes((cells[0] / "config.yaml").read_bytes())
    done = script("sweep.py", grid, "--out", out, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("corrupt, trained again; the old files are in") == 4
    assert len(list((out / "corrupt").iterdir())) == 4
    assert metrics_of(out) == metrics_of(expected)
    assert_same_array(load(out), load(expected))


STOP_HALFWAY = """
import sys
from pathlib import Path
import jax
from icl.config.grid import load_sweep
from tests.sweeps.conftest import train_halfway
assert len(jax.devices()) == 2
train_halfway(load_sweep(sys.argv[1]), Path(sys.argv[2]), "vmap", 20)
"""


@pytest.mark.slow
def test_a_machine_with_fewer_devices_goes_on(tmp_path: Path, small_sweep, environment):
    """Lanes are spread over two devices, then over one; there is one lane more than fit evenly."""
    grid = {"data.p_bursty": [0.0, 1.0, 0.5], "seed": [0]}
    sweep, out = small_sweep(grid=grid), tmp_path / "out"
    two = environment | {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    command = [sys.executable, "-c", STOP_HALFWAY, str(tmp_path / "grid.yaml"), str(out)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | two, check=False)
    assert done.returncode == 0
    last = [json.loads(text.splitlines()[-1])["step"] for text in metrics_of(out).values()]
    assert last == [20] * 3
    resumed = train(sweep, out, "vmap")
    assert_close_array(resumed, train(sweep, tmp_path / "expected"))


@pytest.mark.slow
def test_the_clock_may_jump(small_sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The clock jumps by years, forth and back, whenever an evaluation is recorded."""
    sweep = small_sweep(grid={"seed": [0, 1]})
    expected = train(sweep, tmp_path / "expected", "vmap")
    real, record, moments, offset = time.time, RunDirectory.record, random.Random(0), [0.0]

    def jump(directory: RunDirectory, metrics: dict) -> None:
        offset[0] = moments.uniform(-1e8, 1e8)
        record(directory, metrics)

    monkeypatch.setattr(RunDirectory, "record", jump)
    monkeypatch.setattr(time, "time", lambda: real() + offset[0])
    assert_same_array(train(sweep, tmp_path / "out", "vmap"), expected)
    events = read_lines(next((tmp_path / "out").glob("cells/*/events.jsonl")))
    assert max(abs(event["time"] - real()) for event in events) > 1e6


def test_what_is_left_of_a_cell_that_never_began_does_no_harm(small_sweep, tmp_path: Path):
    sweep, out = small_sweep(grid={"seed": [0]}), tmp_path / "out"
    (folder := SweepDirectory(out).cell_path(sweep.cells[0])).mkdir(parents=True)
    (folder / ".config.yaml.tmp").write_text("seed: ")
    (out / "grids").mkdir()
    assert (train(sweep, out).status == "finished").all()
