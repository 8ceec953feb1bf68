"""Weight matrices out of runs: what a checkpoint holds, and what other runs can start from."""

import os
import runpy
import shutil
import sys
import tempfile
from pathlib import Path

import jax
import numpy as np
import pytest

from icl.config import AnyConfig
from icl.config.yaml import load_config
from icl.problems.load import load_program
from icl.records.checkpoints import Checkpoints
from icl.records.run_directory import RunDirectory
from icl.runs.restore import matrix_of, save_matrix

from ..conftest import QUICKSTART, small
from ..messages import check_line, refused

SCRIPT = QUICKSTART.parent.parent / "scripts" / "export_matrix.py"
WIDTH = 16
KEPT = ("checkpoints.keep_last=2",)
# By kind of run: (config file, its settings, name of a matrix, the leaf that it is a part of).
RUNS = {
    "task": ("liu2023/base.yaml", [f"model.width={WIDTH}"], "recurrent", "recurrent.kernel"),
    "sequences": ("quickstart.yaml", small(), "block0/mixer/qkv/key", "block0.mixer.qkv.kernel"),
}


def config_of(kind: str, *more: str) -> AnyConfig:
    file, words, _, _ = RUNS[kind]
    return load_config(QUICKSTART.parent / file, [*words, *KEPT, *more])


def leave_run(path: Path, config: AnyConfig) -> None:
    """What a run leaves that has saved at steps 2, 4 and 6, its weights always the step's number
    larger, without training: of three checkpoints two are kept."""
    program = load_program(config)
    state = program.init(program.inputs(config))
    with RunDirectory(path, config) as directory:
        directory.begin({})
        with Checkpoints(directory.path / "checkpoints", config.checkpoints) as checkpoints:
            for step in (2, 4, 6):
                weights = jax.tree.map(lambda leaf, step=step: leaf + step, state.variables)
                checkpoints.save(step, state._replace(variables=weights))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The directory of a run of each kind."""
    paths = {kind: tmp_path_factory.mktemp("runs") / kind for kind in RUNS}
    for kind, path in paths.items():
        leave_run(path, config_of(kind))
    return paths


@pytest.mark.parametrize("kind", RUNS)
def test_a_matrix_is_that_of_the_checkpoint_and_a_run_starts_from_it(
    trained, tmp_path: Path, kind: str
):
    _, _, name, leaf = RUNS[kind]
    found = {step: matrix_of(trained[kind], name, step) for step in (None, 4, 6)}
    assert [step for step, _ in found.values()] == [6, 4, 6]
    config = config_of(kind)
    with Checkpoints(trained[kind] / "checkpoints", config.checkpoints) as checkpoints:
        for step, matrix in found.values():
            whole = checkpoints.restore_leaves(step)[f"variables.params.{leaf}"]
            # Of query, key and value side by side, the second.
            part = whole[:, WIDTH : 2 * WIDTH] if kind == "sequences" else whole
            np.testing.assert_array_equal(matrix, part)
    assert not np.array_equal(found[4][1], found[6][1])
    file = tmp_path / "new" / "matrix.npy"
    save_matrix(file, found[6][1])
    save_matrix(file, found[6][1])  # the same once more is no mistake
    again = config_of(kind, f"connectivity={{{name}: {{kind: file, path: '{file}'}}}}")
    program = load_program(again)
    began = program.matrices(program.init(program.inputs(again)))
    np.testing.assert_array_equal(began[name], found[6][1])
    assert [path.name for path in file.parent.iterdir()] == ["matrix.npy"]


def test_the_file_that_a_run_began_from_may_be_gone(tmp_path: Path):
    file = tmp_path / "start.npy"
    save_matrix(file, np.eye(WIDTH, dtype=np.float32))
    initializer = f"connectivity={{recurrent: {{kind: file, path: '{file}'}}}}"
    leave_run(tmp_path / "run", config_of("task", initializer))
    file.unlink()
    step, matrix = matrix_of(tmp_path / "run", "recurrent")
    assert step == 6
    np.testing.assert_array_equal(matrix, np.eye(WIDTH) + 6)


def times_of(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in (folder, *folder.rglob("*"))}


def test_reading_writes_nothing_and_waits_for_nobody(trained, tmp_path: Path):
    """A run in training is read too, and a folder that cannot be written, even without a lock."""
    one = shutil.copytree(trained["task"], tmp_path / "run")
    (one / ".lock").unlink()
    before = times_of(one)
    assert matrix_of(one, "recurrent")[0] == 6
    assert times_of(one) == before
    with RunDirectory(one, config_of("task")):
        held = times_of(one)
        assert matrix_of(one, "recurrent", 4)[0] == 4
        assert times_of(one) == held


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs two users")
def test_a_user_who_may_not_write_can_read(trained):
    """This user may write anything, so that for a moment the process is another's."""
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed to others
        one = shutil.copytree(trained["task"], Path(folder) / "run")
        expected = matrix_of(one, "recurrent")  # imports all that is needed
        for path in (Path(folder), one, *one.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        os.seteuid(65534)
        try:
            assert not os.access(one, os.W_OK, effective_ids=True)
            found = matrix_of(one, "recurrent")
        finally:
            os.seteuid(0)
    assert found[0] == expected[0] == 6
    np.testing.assert_array_equal(found[1], expected[1])


def test_the_last_checkpoint_may_be_replaced_while_it_is_read(
    trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    one = shutil.copytree(trained["task"], tmp_path / "run")
    restore = Checkpoints.restore

    def restore_too_late(checkpoints: Checkpoints, step: int, like: object) -> object:
        if step == 6:
            shutil.rmtree(one / "checkpoints" / "6")
        return restore(checkpoints, step, like)

    monkeypatch.setattr(Checkpoints, "restore", restore_too_late)
    assert matrix_of(one, "recurrent")[0] == 4
    monkeypatch.setattr("icl.runs.restore.ATTEMPTS", 1)
    shutil.copytree(one / "checkpoints" / "4", one / "checkpoints" / "6")
    with refused(f"{one}", "--step"):
        matrix_of(one, "recurrent")


def test_mistakes_are_one_line_and_nothing_is_written(trained, tmp_path: Path):
    one = trained["task"]
    before = sorted(one.rglob("*"))
    with refused("matrix = W", "input, readout, recurrent"):
        matrix_of(one, "W")
    with refused("--step = 2", "4, 6"):
        matrix_of(one, "recurrent", 2)
    with refused(f"{tmp_path}/nowhere", "config.yaml"):
        matrix_of(tmp_path / "nowhere", "recurrent")
    assert sorted(one.rglob("*")) == before
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(one / "config.yaml", other)
    with refused(str(other), "checkpoint"):
        matrix_of(other, "recurrent")
    file = tmp_path / "matrix.npy"
    file.write_bytes(b"other")
    with refused("matrix.npy"):
        save_matrix(file, np.eye(2))
    assert file.read_bytes() == b"other"


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        (
            [],
            0,
            ["sequences/block0.mixer.qkv.key-6.npy", "block0/mixer/qkv/key", "step 6", "16 x 16"],
        ),
        (
            ["--step", "4", "--out", "it.npy"],
            0,
            ["it.npy", "block0/mixer/qkv/key", "step 4", "16 x 16"],
        ),
        (["--out", "/proc/1/it.npy"], 2, ["error: --out = /proc/1"]),
        (["--step", "0"], 2, ["error: --step = 0", "1"]),
        (["--step", "5"], 2, ["error: --step = 5", "4, 6"]),
        (["--out", "it.csv"], 2, ["error: --out = it.csv", ".npy"]),
        (["--out", "/dev/null/it.npy"], 2, ["error: --out = /dev/null"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_the_command(
    trained,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    named: list[str],
):
    shutil.copytree(trained["sequences"], tmp_path / "sequences")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [SCRIPT.name, "sequences", "block0/mixer/qkv/key", *words])
    with pytest.raises(SystemExit) as exit_:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    out, err = capsys.readouterr()
    assert exit_.value.code == code
    (line,) = (out + err).splitlines()
    check_line(line, *named)
    if code == 0:
        assert (tmp_path / line.partition(":")[0]).stat().st_size > 4 * 16 * 16
