"""Sweeps in one process: every cell once, growth, and one labelled array."""

import json
import re
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from icl.analysis.report.make import report
from icl.errors import UserError
from icl.records import load, sweep_names
from icl.records.lines import append_line
from icl.records.storage import Store
from icl.records.sweep_directory import SweepDirectory, status_of
from icl.runs.engines.lanes import LanesEngine
from icl.runs.engines.table import ENGINES, num_workers
from icl.runs.options import Options
from icl.runs.progress import Progress
from icl.runs.run import train as train_run
from icl.sweeps.dry_run import Measured, dry_run
from icl.sweeps.plan import plan
from icl.sweeps.progress import SweepProgress
from icl.sweeps.run import run_sweeps
from icl.sweeps.watch import watch

from ..messages import refused
from .conftest import assert_close_array, assert_same_array, metrics_of, train, train_halfway


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict:
    return {"out": tmp_path_factory.mktemp("whole") / "sweep"}


@pytest.fixture
def reference(whole, small_sweep):
    """A sweep of four cells, trained once for this module, and where it is."""
    sweep = small_sweep()
    if "array" not in whole:
        whole["array"] = train(sweep, whole["out"])
    return sweep, whole["out"], whole["array"]


def test_a_sweep_is_one_labelled_array(reference):
    sweep, out, array = reference
    assert array.sizes == {
        "data.p_bursty": 2,
        "seed": 2,
        "condition": 3,
        "step": 5,
        "stratum": 10,
        "matrix": 10,
    }
    assert array.loss.dims == ("data.p_bursty", "seed", "condition", "step")
    assert array.train_loss.dims == ("data.p_bursty", "seed", "step")
    assert (array.status == "finished").all()
    assert array.attrs["missing"] == []
    cell = sweep.cells[2]
    assert cell.settings == {"data.p_bursty": 1.0, "seed": 0}
    lines = metrics_of(out)[cell.digest].splitlines()
    picked = array.sel({"data.p_bursty": 1, "seed": 0, "step": 20, "condition": "no_support"})
    assert picked.loss == json.loads(lines[2])["conditions"]["no_support"]["loss"]


def test_a_cell_is_the_run_alone(reference, tmp_path: Path):
    sweep, out, _ = reference
    cell = sweep.cells[3]
    train_run(cell.config, tmp_path / "alone", Progress())
    own = (tmp_path / "alone" / "metrics.jsonl").read_bytes()
    assert own == metrics_of(out)[cell.digest]


def test_lanes_of_one_program_give_the_same_curves(reference, tmp_path: Path):
    sweep, _, array = reference
    assert_close_array(train(sweep, tmp_path / "vmap", "vmap"), array)


def test_finished_cells_are_never_made_again_and_a_wider_grid_runs_only_the_new(
    reference, small_sweep, tmp_path: Path
):
    sweep, out, array = reference
    copy = tmp_path / "sweep"
    shutil.copytree(out, copy)
    times = {p: p.stat().st_mtime_ns for p in copy.rglob("cells/*/*.json*")}
    assert_same_array(train(sweep, copy), array)
    wider = small_sweep(grid={"data.p_bursty": [0.0, 0.5, 1.0], "seed": [0, 1]})
    cells = SweepDirectory(copy)
    todo = plan(cells, wider.cells, "threads")
    assert sorted(config.data.p_bursty for task in todo for _, config in task.cells) == [0.5, 0.5]
    grown = train(wider, copy)
    assert {p: p.stat().st_mtime_ns for p in times} == times
    for value in (0.0, 1.0):
        part = {"data.p_bursty": value}
        np.testing.assert_array_equal(grown.sel(part).loss, array.sel(part).loss)
    assert (grown.status == "finished").all()


def test_a_sweep_in_the_making_has_gaps_and_says_which(reference, small_sweep, tmp_path: Path):
    _, out, _ = reference
    wider = small_sweep(grid={"data.p_bursty": [0.0, 1.0], "seed": [0, 1, 2]})
    copy = tmp_path / "sweep"
    shutil.copytree(out, copy)
    with SweepDirectory(copy).held([wider]):
        pass
    array = load(copy)
    assert np.isnan(array.loss.sel(seed=2)).all()
    assert not np.isnan(array.loss.sel(seed=1)).any()
    assert np.isnan(array.start_norm.sel(seed=2)).all()
    assert array.attrs["missing"] == [f"data.p_bursty={p} seed=2: missing" for p in (0.0, 1.0)]


def test_what_weights_begin_as_is_that_of_each_run(reference):
    sweep, out, array = reference
    for cell in sweep.cells:
        path = SweepDirectory(out).cell_path(cell) / "connectivity.json"
        place = {"data.p_bursty": cell.config.data.p_bursty, "seed": cell.config.seed}
        for name, numbers in json.loads(path.read_text()).items():
            assert float(array.start_norm.sel(place | {"matrix": name})) == numbers["norm"]
    assert (array.start_norm.std("seed") > 0).any()  # so that each could be that of another


def test_two_grids_share_their_cells(reference, small_sweep, tmp_path: Path):
    _, out, array = reference
    copy = tmp_path / "sweep"
    shutil.copytree(out, copy)
    other = small_sweep(grid={"seed": [0, 1]}, settings={"data.p_bursty": 1.0})
    other = type(other)("other", other.config, other.cells)
    assert plan(SweepDirectory(copy), other.cells, "threads") == []
    assert train(other, copy).sizes["seed"] == 2
    assert sweep_names(copy) == ["grid", "other"]
    with refused(str(copy), "grid, other"):
        load(copy)
    np.testing.assert_array_equal(load(copy, "other").loss, array.loss.sel({"data.p_bursty": 1.0}))


def test_a_cell_that_is_not_finite_ends_alone(
    small_sweep, tmp_path: Path, script, capsys: pytest.CaptureFixture
):
    sweep = small_sweep(grid={"training.learning_rate": [1e-3, 1e30], "seed": [0]})
    for engine in ("threads", "vmap"):
        out = tmp_path / engine
        array = train(sweep, out, engine)
        assert list(array.status.values[:, 0]) == ["finished", "diverged"]
        assert array.attrs["missing"] == ["training.learning_rate=1e+30 seed=0: diverged"]
        assert not np.isnan(array.loss.values[0]).any()
        before = metrics_of(out)
        capsys.readouterr()
        ended = run_sweeps([sweep], Store(str(out)), SweepProgress(), engine)
        assert metrics_of(out) == before
        finished, diverged = sweep.cells
        assert ended == {"finished": [finished], "diverged": [diverged]}
        assert f"diverged: {diverged.text}; why is in failure.json" in capsys.readouterr().out
    end = script("sweep.py", "--watch", "--out", out, cwd=tmp_path)
    assert end.returncode == 3
    grid = next((out / "grids").iterdir())
    assert script("sweep.py", grid, "--out", out, cwd=tmp_path).returncode == 3


def test_a_run_that_has_converged_stops(small_sweep, tmp_path: Path):
    sweep = small_sweep(settings={"training.stop_below": 100.0})
    array = train(sweep, tmp_path / "out")
    assert list(array.step) == [0, 10]
    assert (array.status == "finished").all()
    patient = small_sweep(
        grid={"seed": [0]},
        settings={"training.patience": 1, "training.learning_rate": 1e-12},
    )
    assert list(train(patient, tmp_path / "patient").step)[-1] < 40


def test_a_start_that_cannot_be_is_refused_before_anything_is_written(small_sweep, tmp_path: Path):
    ranks = {"connectivity": [{"block0/mlp_in": {"kind": "own", "rank": r}} for r in (3, 16, 17)]}
    with refused("connectivity.block0/mlp_in.rank = 17", "16"):
        train(small_sweep(grid=ranks | {"seed": [0, 1]}), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_one_warning_is_printed_for_the_first_unstable_start(
    small_sweep, tmp_path: Path, capsys: pytest.CaptureFixture
):
    sweep, directory, progress = small_sweep(), SweepDirectory(tmp_path), SweepProgress()

    def begin(cell, radius: float) -> str:
        path = directory.cell_path(cell)
        path.mkdir(parents=True)
        measured = {"block0/mixer/recurrent": {"spectral_radius": radius, "relu_growth": None}}
        (path / "connectivity.json").write_text(json.dumps(measured))
        progress.look()
        return capsys.readouterr().err

    with progress.sweep(directory, [sweep]):
        capsys.readouterr()
        first, second, third, _ = sweep.cells
        assert begin(first, 1.2) == ""
        line = begin(second, 2.5)
        assert line.startswith(f"{second.text}: block0/mixer/recurrent ")
        assert " 2.5" in line
        assert line.count("\n") == 1
        assert begin(third, 3.0) == ""


def test_a_sweep_may_be_kept_in_any_storage(reference, tmp_path: Path, monkeypatch):
    sweep, _, array = reference
    address = f"file://{tmp_path}/shared"
    assert_same_array(train(sweep, address), array)
    # Another machine, which has nothing yet.
    monkeypatch.setenv("ICL_CACHE_DIR", str(tmp_path / "elsewhere"))
    assert_same_array(load(address), array)
    watch(address)
    assert plan_of(sweep, address) == []


def plan_of(sweep, address: str):
    store = Store(address)
    store.fetch(sweep.cells)
    return plan(SweepDirectory(store.local), sweep.cells, "threads")


def test_a_copy_cut_short_leaves_the_one_before(reference, tmp_path: Path, monkeypatch):
    sweep, out, _ = reference
    cell = sweep.cells[0]
    folder = SweepDirectory(out).cell_path(cell)
    store = Store(f"file://{tmp_path}/shared")
    store.push_cell(folder)
    (changed := tmp_path / folder.name).mkdir()
    for name in ("config.yaml", "metrics.jsonl"):
        (changed / name).write_bytes((folder / name).read_bytes())
    append_line(changed / "metrics.jsonl", {"step": 99})
    monkeypatch.setattr(store._files, "pipe_file", lambda *words: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        store.push_cell(changed)
    store.fetch_cell(cell.digest)
    assert status_of(store.local / "cells" / cell.digest) == "finished"


def test_an_address_that_cannot_be_reached_is_refused():
    with refused("--out = nowhere://x"):
        Store("nowhere://x")


def test_foreign_and_empty_folders_are_refused(reference, tmp_path: Path, small_sweep):
    sweep, out, _ = reference
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "letter.txt").write_text("")
    with refused(f"--out = {tmp_path}/foreign", "letter.txt", "grids"):
        train(sweep, tmp_path / "foreign")
    with refused(f"{tmp_path}/foreign", "grids"):
        watch(str(tmp_path / "foreign"))
    with refused(str(out), "none", "grid"):
        load(out, "none")


@pytest.mark.slow
def test_a_pack_that_does_not_fit_into_memory_is_halved(
    reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    sweep, _, array = reference
    sizes = []

    def make(program, inputs, compilations=None):
        sizes.append(len(inputs))
        if len(inputs) > 1:
            raise RuntimeError("RESOURCE_EXHAUSTED: out of memory")
        return LanesEngine(program, inputs, compilations)

    monkeypatch.setitem(ENGINES, "vmap", make)
    assert_close_array(train(sweep, tmp_path / "out", "vmap"), array)
    assert sizes == [4, 2, 1, 1, 1, 1], "a size that did not fit is not tried again"
    monkeypatch.setitem(
        ENGINES, "vmap", lambda program, inputs, **_: make(program, [*inputs, None])
    )
    with pytest.raises(RuntimeError, match="RESOURCE_EXHAUSTED"):
        train(sweep, tmp_path / "small", "vmap")


@pytest.mark.parametrize(
    ("engine", "packs", "at_a_time"),
    [("threads", 4, min(4, num_workers("threads"))), ("vmap", 1, 4)],
)
def test_a_dry_run_tells_what_would_be_done_and_writes_nothing(
    small_sweep, tmp_path: Path, capsys: pytest.CaptureFixture, engine, packs, at_a_time
):
    noise = {"data.label_noise": [0.0, 0.5], "data.p_bursty": [0.0, 1.0], "seed": [0, 1]}
    dry_run([small_sweep(grid=noise)], Store(str(tmp_path / "out")), engine)
    out = capsys.readouterr().out
    assert "data.label_noise=0.5 data.p_bursty=1.0 seed=1" in out
    assert "8 cells, 8 to do, in 2 programs; about" in out
    rows = [line.split() for line in out.splitlines() if "MiB" in line and "at most" not in line]
    assert [row[1:5] for row in rows] == [["4", str(packs), str(at_a_time), "9,368"]] * 2
    most = re.search(r"at most (\d+) MiB at a time, of (\d+) GiB", out)
    assert most is not None
    # What a lane takes is more than its weights and Adam's two averages of them, and less than all.
    assert at_a_time * 3 * 4 * 12_648 / 2**20 < int(most[1]) < 1024 * int(most[2])
    assert list(tmp_path.iterdir()) == [tmp_path / "grid.yaml"]


def test_a_dry_run_counts_what_is_left(
    reference, small_sweep, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch
):
    sweep, out, _ = reference
    dry_run([sweep], Store(str(out)), "auto")
    assert "4 cells, 0 to do, in 0 programs" in capsys.readouterr().out
    monkeypatch.setattr("icl.sweeps.dry_run.time_steps", lambda *_: Measured(1.0, 2**20, 1))
    shares = {}
    for steps in (40, 400):
        longer = small_sweep(f"training.num_steps={steps}", "checkpoints.every=10")
        dry_run([longer], Store(str(tmp_path / "new")), "threads")
        shares[steps] = re.search(r"about ([\d.]+) (s|min|h)", capsys.readouterr().out)
    assert shares[40].groups() == ("3", "min")  # 4 cells of 40 steps of a second
    assert shares[400].groups() == ("27", "min")
    longer = small_sweep("checkpoints.every=10")
    train_halfway(longer, tmp_path / "half", "threads", 20)
    dry_run([longer], Store(str(tmp_path / "half")), "threads")
    assert "about 80 s" in capsys.readouterr().out
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "letter.txt").touch()
    with refused(f"--out = {tmp_path}/foreign", "letter.txt", "grids"):
        dry_run([sweep], Store(str(tmp_path / "foreign")), "auto")


def test_a_dry_run_tells_how_many_runs_fit_into_memory(
    small_sweep, tmp_path: Path, capsys, monkeypatch
):
    def make(program, inputs):
        if len(inputs) > 2:
            raise RuntimeError("RESOURCE_EXHAUSTED: out of memory")
        return LanesEngine(program, inputs)

    monkeypatch.setattr("icl.sweeps.dry_run.LanesEngine", make)
    sweep = small_sweep(grid={"seed": [0, 1, 2, 3, 4]})
    dry_run([sweep], Store(str(tmp_path / "out")), "vmap")
    (row,) = (line.split() for line in capsys.readouterr().out.splitlines() if "9,368" in line)
    assert row[1:4] == ["5", "3", "2"]  # cells, packs, runs at a time


def test_a_dry_run_of_shared_storage_sees_what_is_finished(reference, tmp_path: Path, capsys):
    sweep, _, _ = reference
    address = f"file://{tmp_path}/shared"
    dry_run([sweep], Store(address), "threads")
    assert "4 cells, 4 to do" in capsys.readouterr().out
    assert not (tmp_path / "shared").exists()
    train(sweep, address)
    capsys.readouterr()
    dry_run([sweep], Store(address), "threads")
    assert "4 cells, 0 to do" in capsys.readouterr().out


def test_data_and_loggers_that_are_not_there_are_refused_before_anything_is_written(
    small_sweep, tmp_path: Path, monkeypatch
):
    out = str(tmp_path / "out")
    monkeypatch.setenv("ICL_OMNIGLOT_DIR", str(tmp_path / "nowhere"))
    sweep, store = small_sweep("data.source={kind: omniglot, size: 12}"), Store(out)
    with pytest.raises(UserError, match="ICL_OMNIGLOT_DIR"):
        run_sweeps([sweep], store, SweepProgress())
    monkeypatch.setitem(sys.modules, "wandb", None)
    with refused("--log = wandb", "pip install wandb"):
        run_sweeps([small_sweep()], store, SweepProgress(), options=Options(loggers=("wandb",)))
    assert not (tmp_path / "out").exists()


def test_a_sweep_can_be_followed_while_it_goes_on(small_sweep, tmp_path: Path, monkeypatch, capsys):
    """Another thread watches from the first record to the end."""
    monkeypatch.setattr("icl.sweeps.watch.SECONDS_BETWEEN_LOOKS", 0.05)
    sweep, out = small_sweep("training.num_steps=100"), tmp_path / "out"
    with ThreadPoolExecutor(1) as pool:
        training = pool.submit(train, sweep, out)
        while not list(out.glob("cells/*/metrics.jsonl")):
            time.sleep(0.01)
        watch(str(out))
        assert all((path / "summary.json").exists() for path in (out / "cells").iterdir())
        training.result()
    err = capsys.readouterr().err
    assert "4/4  data.p_bursty=" in err
    assert "left" in err


def test_time_left_is_at_the_speed_so_far(reference, monkeypatch):
    sweep, out, _ = reference
    progress = SweepProgress()
    with progress.sweep(SweepDirectory(out), [sweep]):
        progress._begun, progress._clock = 0.25, time.monotonic() - 600
        monkeypatch.setattr(SweepProgress, "_share", 0.5)
        assert progress._time_left() == "20 min left"
        monkeypatch.setattr(SweepProgress, "_share", 0.3)
        assert progress._time_left() == "2.3 h left"


def test_learning_curves_of_a_sweep_are_sent_elsewhere(small_sweep, tmp_path: Path):
    pytest.importorskip("tensorboardX")
    sweep, out = small_sweep(grid={"seed": [0, 1]}), tmp_path / "out"
    run_sweeps([sweep], Store(str(out)), SweepProgress(), options=Options(loggers=("tensorboard",)))
    for cell in sweep.cells:
        (events,) = (out / "cells" / cell.digest / "tensorboard").iterdir()
        assert b"no_support/accuracy" in events.read_bytes()


def test_a_trained_sweep_is_reported_with_its_pictures_and_links(reference, tmp_path: Path):
    _, out, _ = reference
    copy = tmp_path / "sweep"
    shutil.copytree(out, copy)
    written = report(copy)
    page = (copy / "report.html").read_text()
    assert "data:image/png;base64," in page
    links = [link for link in re.findall(r'<a href="([^"#]+)"', page) if ":" not in link]
    assert {"cells", "grids", "verdicts.json", "figures"} <= set(links)
    assert all((copy / link).exists() for link in links)
    assert all(Path(path).exists() for path in written.paths)


def test_the_report_of_shared_storage_is_written_there(reference, tmp_path: Path):
    sweep, _, _ = reference
    address = f"file://{tmp_path}/shared"
    with refused(address, "grids"):
        report(address)
    assert not (tmp_path / "shared").exists()
    train(sweep, address)
    written = report(address)
    assert f"{address}/report.html" in written.paths
    names = {"report.html", "verdicts.json", "verdicts.md", "figures"}
    assert names <= {path.name for path in (tmp_path / "shared").iterdir()}
    assert {path.suffix for path in (tmp_path / "shared" / "figures").iterdir()} == {
        ".pdf",
        ".svg",
        ".png",
    }


def test_a_corrupt_cell_in_shared_storage_is_made_anew(reference, tmp_path: Path, monkeypatch):
    sweep, _, array = reference
    address = f"file://{tmp_path}/shared"
    train(sweep, address)
    monkeypatch.setenv("ICL_CACHE_DIR", str(tmp_path / "elsewhere"))
    file = tmp_path / "shared" / "cells" / sweep.cells[1].digest / "metrics.jsonl"
    file.write_text(file.read_text().replace("1", "2", 3))
    assert_same_array(train(sweep, address), array)
