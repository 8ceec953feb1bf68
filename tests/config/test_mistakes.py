"""Mistakes in sweeps and reports at the command line: one line, exit code 2, nothing written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from icl.config.yaml_text import dump_yaml

from ..sweeps.conftest import ROOT

SEEDS = {"seed": [0, 1]}
# By its first words, what is told of a grid.
GRIDS = {
    "data.p_burst: unknown setting": {"grid": SEEDS | {"data.p_burst": [0, 1]}},
    "grid.seed = []; allowed: at least 1 value": {"grid": {"seed": []}},
    "data.p_bursty=1 and data.p_bursty=1.0: the same cell": {
        "grid": SEEDS | {"data.p_bursty": [1, 1.0]}
    },
    "zip.0: 2 of model.width, 3 of data.ways; allowed: as many values of each": {
        "zip": [{"model.width": [32, 64], "data.ways": [1, 2, 3]}]
    },
}


def line_of(done: subprocess.CompletedProcess[str]) -> str:
    """What a command says of a mistake."""
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    return line


def in_a_process(name: str, *words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / name), *map(str, words)],
        cwd=cwd,
        env=os.environ | {"ICL_CACHE_DIR": str(cwd.parent / "cache")},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    (folder := tmp_path / "work").mkdir()
    return folder


@pytest.mark.parametrize("message", GRIDS, ids=lambda text: text[:20])
def test_mistakes_in_a_grid(script, tmp_path: Path, empty: Path, message: str):
    (grid := tmp_path / "grid.yaml").write_text(dump_yaml({"base": {}} | GRIDS[message]))
    assert line_of(script("sweep.py", grid, cwd=empty)).startswith(f"error: {message}")
    assert os.listdir(empty) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "/dev/null/x"], "--out = /dev/null/x: cannot be written"),
        (["--out", "/dev/null/x", "--dry-run"], "--out = /dev/null/x: cannot be written"),
        (["--ray", "nonsense:x"], "--ray = nonsense:x: no cluster to be reached"),
        (["--ray", "127.0.0.1:1", "--out", "file://FOLDER/new"], "--ray = 127.0.0.1:1: no cluster"),
    ],
    ids=["unwritable", "unwritable, dry", "no address", "unreachable"],
)
def test_mistakes_in_where(tmp_path: Path, empty: Path, words: list[str], message: str):
    pytest.importorskip("ray", reason="Ray is not installed: pip install -e '.[cluster]'")
    (grid := tmp_path / "grid.yaml").write_text(dump_yaml({"base": {}, "grid": SEEDS}))
    words = [word.replace("FOLDER", str(empty)) for word in words]
    # Of its own: what a cluster leaves behind is not for others.
    done = in_a_process("sweep.py", grid, *words, cwd=empty)
    assert line_of(done).startswith(f"error: {message}")
    assert os.listdir(empty) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["EMPTY"], "EMPTY: not the folder of a sweep (it has no grids)"),
        (["FOREIGN"], "FOREIGN: not the folder of a sweep (it has no grids)"),
        (["nowhere"], "nowhere: not the folder of a sweep (it has no grids)"),
        (["file://EMPTY/nowhere"], "file://EMPTY/nowhere: not the folder of a sweep"),
        (["EMPTY", "--export", "array.csv"], "array.csv: unknown format"),
        (["EMPTY", "--grid", "one"], "--grid = one: of no use here; allowed: with --export"),
    ],
    ids=["empty", "foreign", "missing", "address", "format", "grid"],
)
def test_mistakes_in_a_report(script, tmp_path: Path, empty: Path, words: list[str], message: str):
    (foreign := tmp_path / "foreign").mkdir()
    (foreign / "letter.txt").touch()
    places = {"EMPTY": str(empty), "FOREIGN": str(foreign)}
    for name, place in places.items():
        words, message = [w.replace(name, place) for w in words], message.replace(name, place)
    assert line_of(script("report.py", *words, cwd=empty)).startswith(f"error: {message}")
    assert os.listdir(empty) == []
    assert os.listdir(foreign) == ["letter.txt"]


def test_a_mistake_in_a_report_ends_the_process(empty: Path):
    line = line_of(in_a_process("report.py", empty, cwd=empty))
    assert line.startswith(f"error: {empty}: not the folder of a sweep")
