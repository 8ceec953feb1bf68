"""The commands as a user calls them: mistakes in one line, exit code 2, nothing written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from icl.cli.arguments import parse_arguments
from icl.config.grid import load_sweep
from icl.config.traced import program_of
from icl.problems.load import load_program
from icl.runs.progress import Progress
from icl.runs.run import train as train_run

from .conftest import QUICKSTART, is_grid, small
from .messages import check_line, refused

ROOT = QUICKSTART.parent.parent
BRIEF = ("training.num_steps=2", "evaluation.num_sequences=16")


def train(*words: str, cwd: Path, shell: str = "") -> subprocess.CompletedProcess[str]:
    """shell: what to do in the shell before, such as `ulimit`."""
    command = [sys.executable, str(ROOT / "scripts" / "train.py"), *words]
    return subprocess.run(
        ["sh", "-c", f'{shell}\nexec "$@"', "sh", *command],
        cwd=cwd,
        env=os.environ.copy(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["data.p_bursty=1.5"], [["data.p_bursty = 1.5", "0", "1"]]),
        (
            ["data.shots=3", "data.ways=3", "model.num_heads=5"],
            [["data.shots * data.ways = 3 * 3 = 9"], ["model.num_heads = 5"]],
        ),
        (["nowhere.yaml"], [["nowhere.yaml", "no such file or config", "a YAML file"]]),
        (["a.yaml", "b.yaml"], [["b.yaml"]]),
        (["--out", "/dev/null/run"], [["--out = /dev/null/run"]]),
    ],
    ids=["range", "several", "missing file", "two files", "unwritable"],
)
def test_lines_name_the_mistakes_and_nothing_is_written(script, tmp_path: Path, words, expected):
    done = script("train.py", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == len(expected)
    for line, (subject, *others) in zip(lines, expected, strict=True):
        check_line(line, f"error: {subject}", *others)
    assert os.listdir(tmp_path) == []


def test_a_mistake_ends_the_process(tmp_path: Path):
    done = train("data.p_bursty=1.5", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    check_line(line, "error: data.p_bursty = 1.5")


def test_missing_data_are_refused_and_nothing_is_written(
    script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ICL_OMNIGLOT_DIR", str(tmp_path))
    done = script("train.py", "data.source.kind=omniglot", cwd=tmp_path)
    assert done.returncode == 2
    assert "ICL_OMNIGLOT_DIR" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(("blocks", "file"), [(20, "sequences.png"), (400, "checkpoints")])
@pytest.mark.slow
def test_a_disk_that_fills_up_is_the_last_line_and_the_run_goes_on_once_there_is_room(
    tmp_path: Path, blocks: int, file: str
):
    """Files may not grow beyond so many blocks of 512 bytes, as on a full disk."""
    words = [*small("data.label_multiplicity=100"), "--out", str(tmp_path / "run")]
    done = train(*words, cwd=tmp_path, shell=f"ulimit -f {blocks}")
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert f"run/{file}: " in last
    assert not (tmp_path / "run" / "summary.json").exists()
    done = train(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "summary.json").exists()


def test_the_same_command_has_the_same_folder(monkeypatch: pytest.MonkeyPatch):
    def folder(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["train.py", *words])
        return parse_arguments("", "quickstart").out

    assert folder() == "runs/quickstart"
    assert folder("seed=1", "data.p_bursty=0") == "runs/quickstart,data.p_bursty=0,seed=1"
    assert folder("data.p_bursty=0", "seed=1") == folder("seed=1", "data.p_bursty=0")
    assert (
        folder("configs/reddy2023/base.yaml") == folder("reddy2023/base") == "runs/reddy2023-base"
    )
    assert folder("x=a/b") == "runs/quickstart,x=a_b"
    assert folder("seed=1", "--out", "here") == "here"


def test_a_recorded_config_is_a_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = "runs/quickstart,seed=1/config.yaml"
    monkeypatch.chdir(tmp_path)
    Path(path).parent.mkdir(parents=True)
    Path(path).touch()
    monkeypatch.setattr(sys, "argv", ["train.py", path, "seed=2"])
    arguments = parse_arguments("", "quickstart")
    assert (arguments.config, arguments.overrides) == (path, ["seed=2"])


STARTS = [
    path
    for folder in ("liu2023", "rank_and_icl")
    for path in sorted((QUICKSTART.parent / folder).glob("*.yaml"))
    if is_grid(path) and path.stem not in ("aligned", "digits")  # they read files
]


@pytest.mark.parametrize("path", STARTS, ids=lambda path: path.stem)
def test_every_start_that_a_grid_asks_for_can_be_had(path: Path):
    """Matrices of these names and sizes are there; one of each program is made."""
    reads_images = "chan2022/laptop.yaml" in path.read_text()
    sweep = load_sweep(path, ["data.source.kind=glyphs"] if reads_images else [])
    programs = {program_of(cell.config): cell.config for cell in sweep.cells}
    for config in programs.values():
        program = load_program(config)
        state = program.init.eval_shape(program.inputs(config))
        assert state.variables.params


def test_a_corrupt_cache_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_config):
    monkeypatch.setenv("ICL_CACHE_DIR", str(tmp_path / "cache"))
    train_run(small_config(*BRIEF), tmp_path / "one", Progress())
    (path,) = (tmp_path / "cache").glob("glyphs-*.npz")
    path.write_bytes(path.read_bytes()[:-100])
    with refused(str(path), "cache"):
        train_run(small_config(*BRIEF), tmp_path / "two", Progress())
    assert not (tmp_path / "two").exists()
