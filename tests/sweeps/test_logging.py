"""Learning curves sent elsewhere while a run is trained."""

import sys
import time
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from icl.cli.arguments import FLAGS, TEXTS, options_of, parse_arguments
from icl.config.grid import load_sweep
from icl.records.history import read_history
from icl.records.run_directory import RunDirectory
from icl.records.sweep_directory import SweepDirectory
from icl.runs.loggers import (
    LOGGERS,
    PACKAGES,
    Label,
    Loggers,
    check_loggers,
    label_of,
    numbers_of,
)
from icl.runs.options import Options
from icl.runs.progress import Progress
from icl.runs.run import train
from icl.sweeps.plan import labelled, plan

from ..conftest import QUICKSTART
from ..messages import refused

RECORD = {
    "step": 10,
    "train": {"loss": 2.0, "learning_rate": 0.1},
    "conditions": {"no_support": {"accuracy": 0.25, "loss": None, "by": [1.0]}},
}


def test_every_logger_tells_what_it_needs():
    assert set(PACKAGES) == set(LOGGERS)


def test_loggers_get_single_numbers_by_name():
    assert numbers_of(RECORD) == {
        "train/loss": 2.0,
        "train/learning_rate": 0.1,
        "no_support/accuracy": 0.25,
    }


def test_tensorboard_gets_the_curves(tmp_path: Path, small_config):
    pytest.importorskip("tensorboardX")
    with RunDirectory(tmp_path / "run", small_config()) as directory:
        directory.begin({})
        logger = LOGGERS["tensorboard"](directory, Label())
        logger.log(10, numbers_of(RECORD))
        logger.close()
    (events,) = (tmp_path / "run" / "tensorboard").iterdir()
    assert b"no_support/accuracy" in events.read_bytes()


def test_weights_and_biases_gets_the_curves(tmp_path: Path, small_config, monkeypatch):
    pytest.importorskip("wandb", reason="wandb is not installed: pip install -e '.[log]'")
    monkeypatch.setenv("WANDB_MODE", "offline")
    with RunDirectory(tmp_path / "run", small_config()) as directory:
        directory.begin({})
        logger = LOGGERS["wandb"](directory, Label())
        logger.log(10, numbers_of(RECORD))
        logger.close()
    (record,) = (tmp_path / "run" / "wandb").glob("offline-run-*/*.wandb")
    deadline = time.monotonic() + 20  # a process of the library's own writes it
    while b"no_support/accuracy" not in record.read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_logger_that_is_not_installed_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with refused("--log = tensorboard", "pip install tensorboardX"):
        check_loggers(("tensorboard",))


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """A stand-in for the package: the arguments of each run, with what it logged and its end."""
    runs: list[dict[str, Any]] = []

    def init(**arguments: Any) -> SimpleNamespace:
        run = arguments | {"logged": [], "ended": False}
        runs.append(run)
        return SimpleNamespace(
            log=lambda numbers, step: run["logged"].append((step, numbers)),
            finish=lambda: run.update(ended=True),
        )

    module = ModuleType("wandb")
    module.init = init  # type: ignore[attr-defined]
    module.Settings = lambda: SimpleNamespace(project=None)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", module)
    return runs


def send(path: Path, config: Any, label: Label) -> None:
    with RunDirectory(path, config) as directory, ExitStack() as stack:
        directory.begin({})
        Loggers(("wandb",), {directory: label}, stack).send(directory, RECORD)


def test_a_resumed_run_has_one_curve_and_the_same_cell_elsewhere_another(
    wandb, tmp_path: Path, small_config
):
    label = label_of(small_config(), "data.p_bursty=0.5 seed=1", "burstiness", ("chan2022",))
    for folder in ("one", "one", "two"):
        send(tmp_path / folder / "digest", small_config(), label)
    assert [run["id"] for run in wandb[:2]] == [read_history(tmp_path / "one/digest").run_id] * 2
    assert wandb[2]["id"] not in ("", "digest", wandb[0]["id"])
    for run in wandb:
        assert (run["name"], run["group"]) == ("data.p_bursty=0.5 seed=1", "burstiness")
        assert run["tags"] == ["chan2022", "glyphs", "transformer"]
        assert run["resume"] == "allow"
        assert run["config"]["data"]["p_bursty"] == 0.9
        assert run["logged"] == [(10, numbers_of(RECORD))]
        assert run["ended"]


def test_a_run_without_a_group_has_none_and_long_names_are_cut(wandb, tmp_path: Path, small_config):
    send(tmp_path / "run", small_config(), Label("x" * 200, "", ("y" * 100,)))
    (run,) = wandb
    assert (run["name"], run["group"], run["tags"]) == ("x" * 128, None, ["y" * 64])


def test_a_single_run_is_sent_under_the_name_of_its_folder(
    wandb, tmp_path: Path, small_config, monkeypatch: pytest.MonkeyPatch
):
    """Every evaluation, at its step; without one, `train` reports as ever."""
    monkeypatch.setattr("icl.runs.run.write_curves", lambda directory: None)
    monkeypatch.setattr("icl.runs.run.write_shown", lambda directory, program: None)
    options = Options(loggers=("wandb",), tags=("chan2022",))
    train(small_config(), tmp_path / "mine", Progress(), options=options)
    (run,) = wandb
    assert (run["name"], run["group"]) == ("mine", None)
    assert run["tags"] == ["chan2022", "glyphs", "transformer"]
    assert [step for step, _ in run["logged"]] == [0, 10, 20, 30, 40]
    assert "fewshot_holdout/accuracy" in run["logged"][-1][1]
    assert run["ended"]


def test_cells_have_the_names_of_their_places_in_the_group_of_the_first_grid(
    tmp_path: Path, small_sweep
):
    one = small_sweep(grid={"seed": [0, 1]})
    other = load_sweep(
        (tmp_path / "grid.yaml").rename(tmp_path / "other.yaml"), ["grid.seed=[1, 2]"]
    )
    cells = {cell.digest: cell for sweep in (one, other) for cell in sweep.cells}
    options = Options(loggers=("wandb",))
    jobs = plan(SweepDirectory(tmp_path / "out"), cells.values(), "vmap", options)
    labels = {k: v for job in labelled(jobs, [one, other], options) for k, v in job.labels.items()}
    assert [(labels[digest].name, labels[digest].group) for digest in cells] == [
        ("seed=0", "grid"),
        ("seed=1", "grid"),
        ("seed=2", "other"),
    ]


def test_words_of_the_command_are_options(monkeypatch: pytest.MonkeyPatch):
    def parsed(*words: str) -> Options:
        monkeypatch.setattr(sys, "argv", ["train.py", *words])
        return options_of(parse_arguments("", "quickstart.yaml", flags=FLAGS, texts=TEXTS))

    assert parsed() == Options()
    assert parsed("--other-code") == Options(other_code=True)
    paper = str(QUICKSTART.parent / "chan2022" / "base.yaml")
    assert parsed(paper, "--log", "wandb,tensorboard,wandb") == Options(
        loggers=("wandb", "tensorboard"), tags=("chan2022",)
    )
    assert parsed(str(QUICKSTART.parent / "chan2022")).tags == ("chan2022",)
    with refused("--log = neptune", "tensorboard, wandb"):
        parsed("--log", "wandb,neptune")
