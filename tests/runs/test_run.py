"""A run from start to end: its files, resuming bit by bit, signals, refusals."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
import xarray

from icl.config import ExperimentConfig
from icl.errors import Interrupted, UserError
from icl.records import load
from icl.records.checkpoints import Checkpoints
from icl.runs.progress import Progress
from icl.runs.run import train

from ..conftest import small
from ..messages import refused

ROOT = Path(__file__).parent.parent.parent
METRICS = ("accuracy", "accuracy_in_context", "loss")


def final_state(path: Path, config: ExperimentConfig) -> dict[str, bytes]:
    with Checkpoints(path / "checkpoints", config.checkpoints) as checkpoints:
        step = checkpoints.latest_step
        assert step == config.training.num_steps
        leaves = checkpoints.restore_leaves(step)
    return {name: leaf.tobytes() for name, leaf in leaves.items()}


class Script:
    """scripts/train.py as a user calls it, on the small experiment."""

    def __init__(self, out: Path, environment: dict[str, str], *words: str):
        command = [sys.executable, str(ROOT / "scripts" / "train.py"), *small(*words)]
        self.process = subprocess.Popen(
            [*command, "--out", str(out)],
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=300)
        return self.process.returncode, out, err

    def wait_for(self, path: Path) -> None:
        deadline = time.monotonic() + 120
        while not path.exists():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_run_leaves_its_files(tmp_path: Path, small_config, capsys: pytest.CaptureFixture):
    start = "connectivity={block0/mlp_in: {kind: own, gain: 3.0, rank: 2}}"
    config = small_config("model.num_layers=2", start)
    train(config, tmp_path, Progress())
    names = {"config.yaml", "connectivity.json", "events.jsonl", "metrics.jsonl", "summary.json"}
    names |= {"curves.png", "sequences.png", "checkpoints"}
    assert names <= set(os.listdir(tmp_path))
    began = json.loads((tmp_path / "connectivity.json").read_text())
    assert 1 <= began["block0/mlp_in"]["effective_rank"] <= 2.001
    assert began["block1/mlp_in"]["effective_rank"] > 10
    assert began["block0/mlp_in"]["norm"] == pytest.approx(
        3 * began["block1/mlp_in"]["norm"], rel=0.1
    )
    for name in ("curves.png", "sequences.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    records = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [record["step"] for record in records] == [0, 10, 20, 30, 40]
    for record in records:
        assert set(record["conditions"]) == set(config.evaluation.conditions)
        for scores in record["conditions"].values():
            assert {f"{m}{s}" for m in METRICS for s in ("", "_stderr")} <= set(scores)
            assert {"accuracy_chance", "accuracy_in_context_chance"} <= set(scores)
            assert scores["num_sequences"] == 32
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [event["event"] for event in events] == ["start", "compiled", "end"]
    assert events[0]["packages"]["jax"] == jax.__version__
    out = capsys.readouterr()
    assert str(tmp_path / "summary.json") in out.out
    assert "compiled in" in out.err


def test_the_summary_holds_final_and_best(tmp_path: Path, small_config):
    train(small_config(), tmp_path, Progress())
    summary = json.loads((tmp_path / "summary.json").read_text())
    records = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    for name, metrics in summary["conditions"].items():
        assert set(metrics) == set(METRICS)
        for metric, scores in metrics.items():
            values = {r["step"]: r["conditions"][name][metric] for r in records}
            assert scores["final"] == values[40]
            best = min(values.values()) if metric == "loss" else max(values.values())
            assert scores["best"] == best
            assert values[scores["best_step"]] == best


def test_records_load_as_named_arrays(tmp_path: Path, small_config):
    config = small_config("evaluation.conditions=[no_support, fewshot_holdout]")
    train(config, tmp_path, Progress())
    dataset = load(tmp_path)
    assert isinstance(dataset, xarray.Dataset)
    assert list(dataset.condition.values) == ["no_support", "fewshot_holdout"]
    assert list(dataset.step.values) == [0, 10, 20, 30, 40]
    last = json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[-1])
    expected = last["conditions"]["fewshot_holdout"]["loss"]
    assert dataset.loss.sel(condition="fewshot_holdout", step=40).item() == expected
    assert np.isnan(dataset.train_loss.sel(step=0))
    with refused(f"{tmp_path}/checkpoints", "config.yaml"):
        load(tmp_path / "checkpoints")


def test_a_finished_run_says_so_and_does_nothing(
    tmp_path: Path, small_config, capsys: pytest.CaptureFixture
):
    train(small_config(), tmp_path, Progress())
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.name != ".lock"}
    capsys.readouterr()
    train(small_config(), tmp_path, Progress())
    assert "finished" in capsys.readouterr().err
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.name != ".lock"} == before


def test_evaluations_and_checkpoints_may_fall_on_any_step(tmp_path: Path, small_config):
    config = small_config("training.num_steps=17", "evaluation.every=7", "checkpoints.every=5")
    train(config, tmp_path, Progress())
    assert list(load(tmp_path).step.values) == [0, 7, 14, 17]
    assert (tmp_path / "checkpoints" / "17").exists()


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path, small_config):
    config = small_config("training.learning_rate=1e13", "checkpoints.every=1")
    with pytest.raises(UserError, match="not finite at step") as caught:
        train(config, tmp_path, Progress())
    bad_step = int(str(caught.value).partition("at step ")[2].partition(";")[0])
    with Checkpoints(tmp_path / "checkpoints", config.checkpoints) as checkpoints:
        assert checkpoints.latest_step == bad_step - 1 > 0
        leaves = checkpoints.restore_leaves(bad_step - 1)
    assert all(np.isfinite(leaf).all() for name, leaf in leaves.items() if "params" in name)
    assert not (tmp_path / "summary.json").exists()


def test_an_interrupted_run_goes_on_to_the_same_bits(tmp_path: Path, small_config):
    config = small_config()
    train(config, tmp_path / "whole", Progress())

    class Impatient(Progress):
        def advance(self, step: int, loss: float) -> None:
            if step >= 15:
                signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted) as caught:
        train(config, tmp_path / "cut", Impatient())
    assert caught.value.number == signal.SIGINT
    assert 15 <= caught.value.step < 40
    train(config, tmp_path / "cut", Progress())
    assert_same_end(tmp_path / "whole", tmp_path / "cut", config)


def assert_same_end(one: Path, other: Path, config: ExperimentConfig) -> None:
    for name in ("metrics.jsonl", "summary.json", "config.yaml"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    assert final_state(one, config) == final_state(other, config)


KILL_OVERRIDES = ("training.num_steps=3000", "checkpoints.every=100", "evaluation.every=60")


def check_kills(tmp_path: Path, environment: dict[str, str], config, num_kills: int) -> None:
    code, _, err = Script(tmp_path / "whole", environment, *KILL_OVERRIDES).end()
    assert code == 0, err
    start = time.monotonic()  # by now all is compiled
    Script(tmp_path / "timed", environment, *KILL_OVERRIDES).end()
    duration = time.monotonic() - start
    moments = random.Random(0)
    for i in range(num_kills):
        out = tmp_path / f"killed{i}"
        script = Script(out, environment, *KILL_OVERRIDES)
        time.sleep(moments.uniform(0, duration))
        script.process.kill()
        script.process.communicate()
        code, _, err = Script(out, environment, *KILL_OVERRIDES).end()
        assert code == 0, err
        assert_same_end(tmp_path / "whole", out, config)


def test_killed_amid_training_the_end_is_bitwise_the_same(
    tmp_path: Path, environment, small_config
):
    words = ("training.num_steps=300", "checkpoints.every=50", "evaluation.every=40")
    code, _, err = Script(tmp_path / "whole", environment, *words).end()
    assert code == 0, err
    script = Script(tmp_path / "killed", environment, *words)
    script.wait_for(tmp_path / "killed" / "checkpoints" / "100")
    script.process.kill()
    script.process.communicate()
    assert not (tmp_path / "killed" / "summary.json").exists()
    code, _, err = Script(tmp_path / "killed", environment, *words).end()
    assert code == 0, err
    assert_same_end(tmp_path / "whole", tmp_path / "killed", small_config(*words))


@pytest.mark.slow
def test_twenty_kills_twenty_identical_ends(tmp_path: Path, environment, small_config):
    check_kills(tmp_path, environment, small_config(*KILL_OVERRIDES), num_kills=20)


def test_sigterm_saves_and_says_how_to_go_on(tmp_path: Path, environment, small_config):
    words = ("training.num_steps=1000000",)
    script = Script(tmp_path, environment, *words)
    script.wait_for(tmp_path / "checkpoints" / "10")
    script.process.send_signal(signal.SIGTERM)
    code, _, err = script.end()
    assert code == 128 + signal.SIGTERM
    assert "saved at step" in err
    assert "to resume: python" in err
    step = int(err.partition("saved at step ")[2].partition(";")[0])
    assert (tmp_path / "checkpoints" / str(step)).exists()


def test_a_second_process_is_refused(tmp_path: Path, environment, small_config):
    words = ("training.num_steps=1000000",)
    first = Script(tmp_path, environment, *words)
    try:
        first.wait_for(tmp_path / "config.yaml")
        code, out, err = Script(tmp_path, environment, *words).end()
        assert (code, out) == (2, "")
        assert err.count("\n") == 1
        assert "in use" in err
    finally:
        first.process.kill()
        first.process.communicate()


def test_a_corrupt_checkpoint_is_refused_and_deleting_it_helps(tmp_path: Path, small_config):
    config = small_config()
    train(config, tmp_path / "whole", Progress())
    train(config, tmp_path / "run", Progress())
    (tmp_path / "run" / "summary.json").unlink()
    folder = tmp_path / "run" / "checkpoints" / "40"
    for path in folder.rglob("d/*"):
        path.write_bytes(path.read_bytes()[:-50])
    with refused("checkpoints/40", "corrupt"):
        train(config, tmp_path / "run", Progress())
    for file in sorted(folder.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    folder.rmdir()
    train(config, tmp_path / "run", Progress())
    assert_same_end(tmp_path / "whole", tmp_path / "run", config)


def test_lost_metrics_are_refused(tmp_path: Path, small_config):
    config = small_config()
    train(config, tmp_path, Progress())
    (tmp_path / "summary.json").unlink()
    (tmp_path / "metrics.jsonl").unlink()
    with refused(str(tmp_path), "metrics.jsonl", "step 40"):
        train(config, tmp_path, Progress())
