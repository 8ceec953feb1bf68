"""A run that is given more steps comes to the bits of one that had them from the start."""

import json
import pkgutil
import shutil
from pathlib import Path
from typing import get_args

import jax.numpy as jnp
import numpy as np
import pytest

from icl.config import TrainingConfig
from icl.config.training import ENDLESS
from icl.errors import UserError
from icl.records.history import read_history
from icl.records.run_directory import RunDirectory
from icl.runs.progress import Progress
from icl.runs.run import train
from icl.training.optimizer import learning_rate_at, make_rates

from ..messages import refused
from .test_run import assert_same_end

# The end of the shorter run, at step 17, is no multiple of either interval.
INTERVALS = ("evaluation.every=7", "checkpoints.every=5")
SHORT, LONG = 17, 24


@pytest.fixture(autouse=True)
def _without_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("icl.runs.run.write_curves", lambda directory: None)


@pytest.fixture
def make_config(small_config):
    def make(num_steps: int, *words: str):
        return small_config(*INTERVALS, f"training.num_steps={num_steps}", *words)

    return make


@pytest.fixture(scope="module")
def kept() -> dict[str, Path]:
    return {}


@pytest.fixture
def runs(make_config, kept, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A short run and a long one, made once."""
    if not kept:
        folder = tmp_path_factory.mktemp("runs")
        for name, num_steps in (("short", SHORT), ("long", LONG)):
            train(make_config(num_steps), folder / name, Progress())
            kept[name] = folder / name
    return kept


@pytest.fixture
def short(runs, tmp_path: Path) -> Path:
    return shutil.copytree(runs["short"], tmp_path / "run")


def steps_of(run: Path) -> list[int]:
    return [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_a_finished_run_goes_on_to_the_same_bits(runs, short: Path, make_config, capsys):
    assert steps_of(short) == [0, 7, 14, 17]
    train(make_config(LONG), short, Progress())
    assert f"step {SHORT} of {SHORT}; goes on to step {LONG}" in capsys.readouterr().err
    assert_same_end(runs["long"], short, make_config(LONG))
    assert steps_of(short) == [0, 7, 14, 21, 24]
    events = [json.loads(line) for line in (short / "events.jsonl").read_text().splitlines()]
    (lengthened,) = [event for event in events if event["event"] == "lengthened"]
    assert (lengthened["was"], lengthened["num_steps"], lengthened["step"]) == (17, 24, 17)
    # And a finished run is finished, also one that was lengthened.
    capsys.readouterr()
    train(make_config(LONG), short, Progress())
    assert "finished" in capsys.readouterr().err


def test_a_run_may_be_lengthened_again_before_it_went_on(runs, short: Path, make_config):
    class Impatient(Progress):
        def compiled(self, step: int, seconds: float) -> None:
            raise KeyboardInterrupt  # the evaluation at the first end is gone, no step is saved

    with pytest.raises(KeyboardInterrupt):
        train(make_config(20), short, Impatient())
    assert steps_of(short) == [0, 7, 14]
    train(make_config(LONG), short, Progress())
    assert_same_end(runs["long"], short, make_config(LONG))


class Killed(BaseException):
    """The end of a process."""


WRITES = (  # in this order
    "pathlib.Path.unlink",
    "icl.records.run_directory.RunDirectory.log",
    "icl.records.run_directory.write_whole",
)


@pytest.mark.parametrize("command", [LONG, SHORT])
@pytest.mark.parametrize("place", WRITES)
def test_killed_between_two_writes_either_command_goes_on(
    place: str, command: int, runs, short: Path, make_config, monkeypatch: pytest.MonkeyPatch
):
    """The longer one to its end, and the shorter one, while the config is its own, to its own."""
    write = pkgutil.resolve_name(place)

    def write_and_die(*words, **more):
        write(*words, **more)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(place, write_and_die)
        with pytest.raises(Killed):
            train(make_config(LONG), short, Progress())
    assert not (short / "summary.json").exists()
    if command == SHORT and place == WRITES[-1]:
        with refused("training.num_steps = 17", "24"):
            train(make_config(SHORT), short, Progress())
        return
    train(make_config(command), short, Progress())
    assert_same_end(runs["long" if command == LONG else "short"], short, make_config(command))


def test_a_run_that_was_stopped_may_be_lengthened(runs, short: Path, make_config):
    (short / "summary.json").unlink()
    shutil.rmtree(short / "checkpoints" / "17")
    train(make_config(LONG), short, Progress())
    assert_same_end(runs["long"], short, make_config(LONG))


def contents(folder: Path) -> dict[Path, bytes]:
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != ".lock"}


def test_what_would_be_another_run_is_refused(
    short: Path, make_config, monkeypatch: pytest.MonkeyPatch
):
    before = contents(short)
    with refused("training.num_steps = 16", "17"):
        train(make_config(16), short, Progress())
    with pytest.raises(UserError) as caught:
        train(make_config(LONG, "seed=1"), short, Progress())
    assert [line.split(",")[0] for line in caught.value.args] == [
        "seed = 1",
        "training.num_steps = 24",
    ]
    monkeypatch.setattr("icl.runs.lengthen.ENDLESS", ())
    with refused("training.num_steps = 24", "17", "training.decay = inverse_sqrt", "--out"):
        train(make_config(LONG), short, Progress())
    assert contents(short) == before


@pytest.mark.parametrize("rule", ["training.stop_below=100.0", "training.patience=1"])
def test_a_run_that_has_converged_is_refused(rule: str, short: Path, make_config):
    """At an evaluation that the longer run has too. Records of a converged run, without a run."""
    config = make_config(SHORT, rule)
    with RunDirectory(short.parent / "other", config) as directory:
        directory.begin({})
        losses = [None, 1.0, 2.0]  # above the lowest once, and below 100
        for step, loss in zip((0, 7, 14), losses, strict=True):
            directory.record({"step": step, "train": {"loss": loss}})
        (directory.path / "checkpoints" / "14").mkdir(parents=True)
        directory.finish({"step": 14})
    before = contents(short.parent / "other")
    with refused("training.num_steps = 24", "step 14", rule.partition("=")[0]):
        train(make_config(LONG, rule), short.parent / "other", Progress())
    assert contents(short.parent / "other") == before


def test_the_settings_of_a_lengthened_run_are_the_new_ones(short: Path, make_config):
    train(make_config(LONG), short, Progress())
    config = short / "config.yaml"
    config.write_text(config.read_text().replace(f"num_steps: {LONG}", "num_steps: 40"))
    with refused(f"{config}", "edited"):
        train(make_config(40), short, Progress())


@pytest.mark.parametrize("decay", get_args(get_args(TrainingConfig.__annotations__["decay"])[0]))
def test_runs_may_be_lengthened_if_their_rates_do_not_depend_on_the_end(decay: str):
    def rates(num_steps: int) -> list[float]:
        training = TrainingConfig(num_steps=num_steps, warmup_steps=10, decay=decay)
        made = make_rates(training)
        return [float(learning_rate_at(jnp.int32(count), made)) for count in (0, 20, 49)]

    assert (rates(50) == rates(100)) == (decay in ENDLESS)


def test_the_sum_of_losses_is_that_of_the_longer_run(short: Path, make_config):
    """Of the steps after the last evaluation that the longer run has, exactly."""
    last = json.loads((short / "metrics.jsonl").read_text().splitlines()[-1])
    train(make_config(LONG), short, Progress())
    lengthened = read_history(short).lengthened
    assert lengthened is not None
    assert lengthened.loss_count == 3
    assert lengthened.loss_sum == float(np.float32(lengthened.loss_sum))
    assert lengthened.loss_sum / 3 == last["train"]["loss"]
