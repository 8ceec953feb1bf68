"""Folders that an earlier release left: later code carries them on to the same bits.

`fixtures/make.py` made them. Where the same computation has other last bits than it had there, on
another machine or with another XLA, numbers need only be close.
"""

import hashlib
import json
import math
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from icl.config.grid import load_sweep
from icl.config.yaml import load_config
from icl.records import load
from icl.records.lines import read_lines
from icl.records.run_directory import SEQUENCES
from icl.records.storage import Store
from icl.runs.progress import Progress
from icl.runs.run import train
from icl.sweeps.progress import SweepProgress
from icl.sweeps.run import run_sweeps

from .fixtures.make import RELEASE, STOP, canary, digests, table

# What later code records of tasks in addition: chance among three outputs.
ADDED = {"accuracy_chance_all": float(np.float32(1 / 3))}
CLOSE = {"rel": 1e-4, "abs": 1e-5, "nan_ok": True}


def copied(kind: str, tmp_path: Path) -> Path:
    """A folder as the release left it, where it may be changed."""
    return shutil.copytree(RELEASE / kind / "run", tmp_path / "run")


def contents(folder: Path) -> dict[str, bytes]:
    """All files but locks, by path."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {os.fspath(path.relative_to(folder)): path.read_bytes() for path in files}


def leaves(tree: object, name: str = "") -> dict[str, object]:
    """What is at the ends of nested tables and lists, by place: null as NaN, no file digests."""
    if isinstance(tree, dict | list):
        items = tree.items() if isinstance(tree, dict) else enumerate(tree)
        return {k: v for key, part in items for k, v in leaves(part, f"{name}/{key}").items()}
    return {} if name.endswith("_sha256") else {name: math.nan if tree is None else tree}


def check_added(path: Path, first_step: int) -> None:
    """Asserts that lines made by later code, and no others, have what it records in addition.

    Leaves the files as the release would have written them.
    """
    records = read_lines(path / "metrics.jsonl")
    for record in records:
        for scores in record["conditions"].values():
            for name, value in ADDED.items():
                is_added = "task" in record["conditions"] and record["step"] >= first_step
                assert (name in scores) == is_added
                assert scores.pop(name, value) == value
    text = "".join(json.dumps(record) + "\n" for record in records)
    (path / "metrics.jsonl").write_text(text)
    summary = json.loads((path / "summary.json").read_text())
    summary["metrics_sha256"] = hashlib.sha256(text.encode()).hexdigest()
    (path / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")


def assert_same_end(path: Path, kind: str, num_steps: int) -> None:
    """A run has the records, the summary and the final state of one that was never stopped."""
    expected = RELEASE / kind / "expected"
    if canary() == (RELEASE / "canary.txt").read_text().strip():
        for name in ("metrics.jsonl", "summary.json"):
            assert (path / name).read_bytes() == (expected / name).read_bytes(), name
        state = json.loads(digests(path, num_steps).read_text())
        assert state == json.loads((expected / "state.json").read_text())
        return
    assert leaves(read_lines(path / "metrics.jsonl")) == pytest.approx(
        leaves(read_lines(expected / "metrics.jsonl")), **CLOSE
    )
    summaries = (json.loads((folder / "summary.json").read_text()) for folder in (path, expected))
    assert leaves(next(summaries)) == pytest.approx(leaves(next(summaries)), **CLOSE)


@pytest.mark.parametrize("kind", ["sequences", "task"])
def test_a_run_that_was_begun_goes_on_to_the_same_bits(kind: str, tmp_path: Path):
    config = load_config(RELEASE / kind / "settings.yaml")
    path = copied(kind, tmp_path)
    (path / SEQUENCES).touch()  # drawn once, when a run begins
    before = contents(path)
    train(config, path, Progress())
    events = read_lines(path / "events.jsonl")
    assert [event["event"] for event in events[-4:]] == ["resume", "restored", "compiled", "end"]
    assert events[-3]["step"] == STOP > 0
    after = contents(path)
    for name in ("metrics.jsonl", "events.jsonl"):
        assert after[name].startswith(before[name])
    for name in ("config.yaml", "connectivity.json"):
        assert after[name] == before[name]
    check_added(path, STOP + 1)
    assert_same_end(path, kind, config.training.num_steps)


def test_a_run_begun_anew_comes_to_the_same_bits(tmp_path: Path):
    config = load_config(RELEASE / "task" / "settings.yaml")
    train(config, tmp_path / "run", Progress())
    check_added(tmp_path / "run", 0)
    assert_same_end(tmp_path / "run", "task", config.training.num_steps)


def test_a_sweep_loads_as_the_same_dataset(tmp_path: Path):
    # The release had no coordinate with the strategies that conditions measure.
    dataset = load(copied("sweep", tmp_path)).drop_vars("strategy")
    assert table(dataset) == (RELEASE / "sweep" / "expected" / "dataset.json").read_text()


@pytest.mark.parametrize("grid", ["grid.yaml", "run/grids/grid.yaml"])
def test_a_finished_sweep_is_left_as_it_is(
    grid: str, tmp_path: Path, capsys: pytest.CaptureFixture
):
    path = copied("sweep", tmp_path)
    before = contents(path)
    run_sweeps([load_sweep(RELEASE / "sweep" / grid)], Store(str(path)), SweepProgress())
    assert contents(path) == before
    assert "corrupt" not in capsys.readouterr().err
