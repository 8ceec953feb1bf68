"""Mistakes in sweeps and reports at the command line: one line, exit code 2, nothing written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from icl.config.yaml_text import dump_yaml

from ..messages import check_line
from ..sweeps.conftest import ROOT

SEEDS = {"seed": [0, 1]}
# By the field and value that the line names, and the bounds and names that follow.
GRIDS = {
    ("data.p_burst", "p_bursty"): {"grid": SEEDS | {"data.p_burst": [0, 1]}},
    ("grid.seed = []", "1"): {"grid": {"seed": []}},
    ("data.p_bursty=1 and data.p_bursty=1.0",): {"grid": SEEDS | {"data.p_bursty": [1, 1.0]}},
    ("zip.0: 2 of model.width, 3 of data.ways",): {
        "zip": [{"model.width": [32, 64], "data.ways": [1, 2, 3]}]
    },
}


def line_of(done: subprocess.CompletedProcess[str]) -> str:
    """The line with which a command refuses a mistake, without its first word."""
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    return line.removeprefix("error: ")


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


@pytest.mark.parametrize("named", GRIDS, ids=lambda named: named[0])
def test_mistakes_in_a_grid(script, tmp_path: Path, empty: Path, named: tuple[str, ...]):
    (grid := tmp_path / "grid.yaml").write_text(dump_yaml({"base": {}} | GRIDS[named]))
    check_line(line_of(script("sweep.py", grid, cwd=empty)), *named)
    assert os.listdir(empty) == []


@pytest.mark.parametrize(
    ("words", "subject"),
    [
        (["--out", "/dev/null/x"], "--out = /dev/null/x"),
        (["--out", "/dev/null/x", "--dry-run"], "--out = /dev/null/x"),
        (["--ray", "nonsense:x"], "--ray = nonsense:x"),
        (["--ray", "127.0.0.1:1", "--out", "file://FOLDER/new"], "--ray = 127.0.0.1:1"),
    ],
    ids=["unwritable", "unwritable, dry", "no address", "unreachable"],
)
def test_mistakes_in_where(tmp_path: Path, empty: Path, words: list[str], subject: str):
    pytest.importorskip("ray", reason="Ray is not installed: pip install -e '.[cluster]'")
    (grid := tmp_path / "grid.yaml").write_text(dump_yaml({"base": {}, "grid": SEEDS}))
    words = [word.replace("FOLDER", str(empty)) for word in words]
    # Of its own: what a cluster leaves behind is not for others.
    done = in_a_process("sweep.py", grid, *words, cwd=empty)
    check_line(line_of(done), subject)
    assert os.listdir(empty) == []


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["EMPTY"], ["EMPTY", "grids"]),
        (["FOREIGN"], ["FOREIGN", "grids"]),
        (["nowhere"], ["nowhere", "grids"]),
        (["file://EMPTY/nowhere"], ["file://EMPTY/nowhere", "grids"]),
        (["EMPTY", "--export", "array.xls"], ["array.xls", ".zarr, .nc, .parquet, .csv"]),
        (["EMPTY", "--grid", "one"], ["--grid = one", "--export"]),
    ],
    ids=["empty", "foreign", "missing", "address", "format", "grid"],
)
def test_mistakes_in_a_report(
    script, tmp_path: Path, empty: Path, words: list[str], named: list[str]
):
    (foreign := tmp_path / "foreign").mkdir()
    (foreign / "letter.txt").touch()
    places = {"EMPTY": str(empty), "FOREIGN": str(foreign)}
    for name, place in places.items():
        words, named = ([w.replace(name, place) for w in them] for them in (words, named))
    check_line(line_of(script("report.py", *words, cwd=empty)), *named)
    assert os.listdir(empty) == []
    assert os.listdir(foreign) == ["letter.txt"]


def test_a_mistake_in_a_report_ends_the_process(empty: Path):
    check_line(line_of(in_a_process("report.py", empty, cwd=empty)), str(empty), "grids")
