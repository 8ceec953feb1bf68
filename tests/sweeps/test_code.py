"""Cells that other source code has trained are refused, or go on and say so."""

from pathlib import Path

import pytest

from icl.records import history
from icl.records.run_directory import RunDirectory
from icl.records.storage import Store
from icl.records.sweep_directory import SweepDirectory
from icl.runs.options import Options
from icl.sweeps.plan import Job
from icl.sweeps.programs import ProgramCache
from icl.sweeps.progress import SweepProgress
from icl.sweeps.run import run_sweeps
from icl.sweeps.worker import Worker

from ..messages import refused


@pytest.fixture
def sweep(small_sweep):
    return small_sweep()


@pytest.fixture
def out(sweep, tmp_path: Path) -> Path:
    """A sweep of which three cells have begun, two of them with a checkpoint, one is finished."""
    directory = SweepDirectory(tmp_path / "out")
    with directory.held([sweep]):
        for cell, has_checkpoint in zip(sweep.cells, (True, False, True, True), strict=True):
            with RunDirectory(directory.cell_path(cell), cell.config) as run:
                run.begin({})
            if has_checkpoint:
                (directory.cell_path(cell) / "checkpoints" / "20").mkdir(parents=True)
    (directory.cell_path(sweep.cells[3]) / "summary.json").write_text("{}")
    return tmp_path / "out"


def contents(folder: Path) -> dict[Path, bytes]:
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != ".lock"}


@pytest.fixture
def other_code(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the code is another one."""
    monkeypatch.setattr(history, "code_digest", lambda: "f" * 64)


def test_the_same_code_goes_on_without_a_word(sweep, out: Path):
    assert SweepDirectory(out).check_code(sweep.cells, other_code=False) == []


def test_other_code_is_refused_before_anything_is_written(sweep, out: Path, other_code: None):
    before = contents(out)
    with refused(f"--out = {out}", sweep.cells[0].text, "1 more", "--other-code"):
        run_sweeps([sweep], Store(str(out)), SweepProgress())
    assert contents(out) == before
    (line,) = SweepDirectory(out).check_code(sweep.cells, other_code=True)
    assert sweep.cells[0].text in line
    assert "other source code" in line


def test_a_worker_of_other_code_is_refused_unless_the_job_permits_it(
    sweep, out: Path, other_code: None, monkeypatch: pytest.MonkeyPatch
):
    """A node of a cluster may have other code than the driver."""
    cell = sweep.cells[0]
    path = SweepDirectory(out).cell_path(cell)
    began: list[Path] = []

    def begin(program: object, directory: RunDirectory) -> None:
        began.append(directory.path)
        raise InterruptedError

    monkeypatch.setattr("icl.sweeps.worker.begin", begin)
    monkeypatch.setattr(ProgramCache, "get", lambda cache, config: (None, None))
    job = Job(((path, cell.config),), "threads")
    with refused(f"--out = {path}", "--other-code"):
        Worker(ProgramCache(), []).run(job)
    assert began == []
    with pytest.raises(InterruptedError):
        Worker(ProgramCache(), []).run(Job(job.cells, "threads", options=Options(other_code=True)))
    assert began == [path]


def test_code_that_was_not_recorded_is_mentioned(sweep, out: Path):
    cell = sweep.cells[2]
    (SweepDirectory(out).cell_path(cell) / "events.jsonl").write_text('{"event": "start"}\n')
    (line,) = SweepDirectory(out).check_code(sweep.cells, other_code=False)
    assert line.startswith(f"the cell {cell.text}: ")
    assert "not recorded" in line
