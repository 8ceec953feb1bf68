"""`icl.train` and `Run`: the same bits as the command, and a network that can be asked."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

import icl
from icl.config import AnyConfig
from icl.runs.progress import Progress
from icl.runs.run import train
from icl.types import Trials


def test_a_run_has_the_records_of_the_command(run: icl.Run, config: AnyConfig, tmp_path: Path):
    train(config, tmp_path / "run", Progress())
    for name in ("metrics.jsonl", "config.yaml", "connectivity.json"):
        assert (run.path / name).read_bytes() == (tmp_path / "run" / name).read_bytes()


def test_a_run_in_memory_leaves_no_file(config: AnyConfig):
    other = icl.train(config, {"training.num_steps": 1}, progress=False)
    path, later = other.path, other.at(1)
    del other
    assert later.dataset.sizes["step"] == 2  # the same run at a step still has its files
    del later
    assert not path.exists()


def test_what_a_run_says_of_itself(run: icl.Run, config: AnyConfig):
    assert run.config == config
    assert (run.step, run.steps, run.is_finished, run.failure) == (20, [10, 20], True, "")
    assert repr(run) == "<icl.Run in memory: step 20 of 20, finished>"
    assert run.dataset.accuracy.dims == ("condition", "step")
    assert list(run.dataset.step) == [0, 10, 20]


def test_what_is_drawn_is_what_the_network_takes(run: icl.Run):
    batch = run.draw("fewshot_holdout", 64)
    assert batch.exemplars.shape == (64, 9, 12, 12)
    assert batch.labels.shape == batch.indices.classes.shape == (64, 9)
    assert set(np.unique(batch.labels)) == {0, 1}
    assert np.all(np.asarray(batch.indices.classes) >= 30)  # held out
    again, other = run.draw("fewshot_holdout", 64), run.draw("fewshot_holdout", 64, seed=1)
    assert np.array_equal(again.exemplars, batch.exemplars)
    assert not np.array_equal(other.exemplars, batch.exemplars)


def test_one_can_draw_what_the_run_was_not_tested_in(run: icl.Run):
    flip = run.draw("flip", 8)
    assert "flip" not in run.config.evaluation.conditions
    assert flip.labels.shape == (8, 9)


def test_logits_are_those_of_the_network(run: icl.Run):
    batch = run.draw("train", 8)
    logits, aux = run.apply(batch, return_aux=True)
    assert logits.shape == (8, run.config.data.num_labels)
    np.testing.assert_allclose(run.apply(batch), logits, rtol=1e-5, atol=1e-6)
    assert aux["block0/out"].shape == (8, 1, 16)
    every = run.apply(batch, query_only=False)
    assert every.shape == (8, 17, run.config.data.num_labels)
    np.testing.assert_allclose(every[:, -1], logits, rtol=1e-4, atol=1e-5)


def test_a_batch_of_ones_own(run: icl.Run):
    drawn = run.draw("train", 8)
    own = icl.Batch(np.asarray(drawn.exemplars), np.asarray(drawn.labels).tolist())
    assert np.array_equal(run.apply(own), run.apply(drawn))
    ink = np.round(np.asarray(drawn.exemplars) * 255).astype(np.uint8)
    assert np.array_equal(run.apply(icl.Batch(ink, drawn.labels)), run.apply(drawn))


@pytest.mark.parametrize(
    ("exemplars", "labels", "line"),
    [
        (np.zeros((2, 3, 4)), np.zeros((2, 3), int), "allowed: [2, 3, 12, 12]"),
        (np.zeros((2, 3, 12, 12)), np.zeros((2, 4), int), "allowed: [2, 4, 12, 12]"),
        (np.zeros((2, 3, 12, 12)), np.zeros((2, 3)), "allowed: integers [batch, item]"),
        (np.zeros((2, 1, 12, 12)), np.zeros((2, 1), int), "at least one in context"),
    ],
)
def test_a_batch_that_does_not_fit(run: icl.Run, exemplars, labels, line: str):
    with pytest.raises(icl.UserError) as error:
        run.apply(icl.Batch(exemplars, labels))
    assert line in str(error.value)
    assert len(error.value.args) == 1


def test_labels_beyond_the_table(run: icl.Run):
    count = run.config.data.num_labels
    drawn = run.draw("train", 2)
    with pytest.raises(icl.UserError, match=f"to {count}; allowed: from 0 to {count - 1}"):
        run.apply(drawn._replace(labels=np.full((2, 9), count)))


def test_an_evaluation_is_the_recorded_one_bit_for_bit(run: icl.Run):
    for step in run.dataset.step.values:
        recorded, made = run.dataset.sel(step=step), run.at(int(step)).evaluate()
        for name in ("accuracy", "accuracy_in_context", "loss", "loss_stderr"):
            assert np.array_equal(made[name], recorded[name]), (step, name)


def test_an_evaluation_in_other_conditions(run: icl.Run):
    scores = run.evaluate(["flip", "fewshot_train"], num_sequences=100)
    assert list(scores.condition) == ["flip", "fewshot_train"]
    assert np.all(scores.num_sequences == 100)
    assert np.all(scores.accuracy_in_context_chance == 0.5)


@pytest.mark.parametrize(
    ("ask", "line"),
    [
        (lambda run: run.at(7), "step = 7; allowed: 0, 10, 20, as kept"),
        (lambda run: run.draw("fewshot"), "evaluation.conditions.0 = fewshot; "),
        (lambda run: run.draw("train", 0), "count = 0; allowed: a whole number of at least 1"),
        (lambda run: run.evaluate("flip"), "conditions = flip; allowed: a list such as ['flip']"),
        (lambda run: run.evaluate(num_sequences=0), "evaluation.num_sequences = 0; "),
        (lambda run: icl.load(run.path / "checkpoints"), "allowed: one that is"),
        (lambda run: icl.train("quickstrt"), "did you mean quickstart?"),
        (lambda run: icl.train("quickstart", {"seed": 1}, seed=2), "seed = 2; also among"),
        (lambda run: icl.train({"data.p_bursty": 2}), "data.p_bursty = 2; "),
    ],
)
def test_mistakes_are_one_line(run: icl.Run, ask, line: str):
    with pytest.raises(icl.UserError) as error:
        ask(run)
    assert line.replace("; also", ": also") in str(error.value)
    assert len(error.value.args) == 1


def test_a_saved_run_opens_again(run: icl.Run, tmp_path: Path):
    saved = run.save(tmp_path / "kept")
    loaded = icl.load(tmp_path / "kept")
    assert isinstance(loaded, icl.Run)
    assert saved.dataset.identical(run.dataset)
    batch = run.draw("train", 4)
    assert np.array_equal(loaded.apply(batch), run.apply(batch))
    with pytest.raises(icl.UserError, match="is there already"):
        run.save(tmp_path / "kept")


def test_figures(run: icl.Run):
    assert run.plot().axes[0].get_ylabel() == "accuracy"
    assert run.show()._repr_png_()[:4] == b"\x89PNG"


def interrupt_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Send Ctrl+C to this process when a run is at a step."""
    evaluated = Progress.evaluated

    def interrupting(self, directory, record):
        evaluated(self, directory, record)
        if record["step"] == step:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)  # until Python has run the handler

    monkeypatch.setattr(Progress, "evaluated", interrupting)


def test_an_interrupted_run_goes_on(
    run: icl.Run, config: AnyConfig, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("icl.interface.progress.is_interactive", lambda: True)
    with monkeypatch.context() as patch:
        interrupt_at(10, patch)
        stopped = icl.train(config, progress=False)
    assert (stopped.step, stopped.is_finished) == (10, False)
    assert stopped.resume(progress=False) is stopped
    assert stopped.is_finished
    assert stopped.dataset.identical(run.dataset)


def test_a_script_is_told_of_the_interruption(
    config: AnyConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    interrupt_at(10, monkeypatch)
    with pytest.raises(icl.Interrupted):
        icl.train(config, out=tmp_path / "run", progress=False)
    assert icl.load(tmp_path / "run").step == 10


def test_a_run_on_a_task():
    small = {"model.width": 8, "training.num_steps": 2, "training.batch_size": 4}
    small |= {"evaluation.num_sequences": 8, "evaluation.probes": []}
    run = icl.train("liu2023/base", small, progress=False)
    trials = run.draw("task", 5)
    assert isinstance(trials, Trials)
    assert run.draw(count=3).inputs.shape == (3, *trials.inputs.shape[1:])
    assert run.apply(trials).shape == (5, 3)
    every = run.apply(np.asarray(trials.inputs), query_only=False)
    assert every.shape == (*trials.targets.shape, 3)
    assert np.array_equal(run.evaluate().loss, run.dataset.loss.isel(step=-1))
    with pytest.raises(icl.UserError, match="steps and channels of the task"):
        run.apply(np.zeros((5, 2, 2)))
