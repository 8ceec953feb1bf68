"""What scripts/describe.py says of a task, and that it is so."""

import io
import json
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from icl.config.tasks import TaskConfig
from icl.config.yaml import parse_config
from icl.data.tasks.make import TASKS
from icl.description.tables import print_tables
from icl.description.trial_tables import trial_tables
from icl.description.trials import costs, describe_trials
from icl.problems.load import load_program

from ..messages import refused

STEPS, INPUTS, OUTPUTS, WIDTH = 3, 3, 3, 16
TASK = {"kind": "two_alternative", "stimulus": 200}


def config_of(task: dict | None = None, kind: str = "rate", **changes: object):
    model = {"kind": kind, "width": WIDTH}
    return parse_config({"task": task or TASK, "model": model, **changes})


def printed(report: dict) -> str:
    out = io.StringIO()
    print_tables(trial_tables(report), [Path("somewhere/trials.png")], out)
    return out.getvalue()


@pytest.mark.parametrize("kind", TASKS)
def test_trials_are_as_their_task_says_of_itself(kind: str):
    tree = {"kind": kind, "delay": 200}
    tree |= {"source": {"kind": "sklearn"}} if kind == "digits" else {"dim_ring": 5}
    config = config_of(tree)
    program = load_program(config)
    knobs = program.inputs(config).knobs
    trials = program.problem.task.draw(jax.random.key(0), 200, knobs, program.arrays)
    task: TaskConfig = config.task
    assert trials.inputs.shape == (200, task.num_steps, task.num_inputs)
    assert int(trials.targets.max()) == task.num_outputs - 1
    assert (np.asarray(trials.weights)[:, :-1] == (0 if task.last_only else 1)).all()
    assert len(np.unique(trials.targets[:, -1])) == task.num_choices


def test_channels_are_where_they_are_said_to_be():
    """Without noise: cues are 0 or 1, rings are 0 but while stimuli are shown."""
    task = {"kind": "context_dependent", "sigma": 0.0, "cue_sigma": 0.0, "dim_ring": 3}
    config = config_of(task)
    program = load_program(config)
    trials = program.problem.task.draw(jax.random.key(0), 20, program.inputs(config).knobs, ())
    ends = np.cumsum(list(config.task.input_channels.values()))[:-1]
    fixation, *rings, context = np.split(np.asarray(trials.inputs), ends, axis=2)
    shown = np.zeros(config.task.num_steps, bool)
    shown[: config.task.period_steps["stimulus"]] = True
    for ring in rings:
        np.testing.assert_allclose(ring[:, shown].mean(axis=2), 0.5, atol=1e-6)
        assert not ring[:, ~shown].any()
    assert (context.sum(axis=2) == 1).all()
    deciding = np.arange(config.task.num_steps) >= len(shown) - config.task.period_steps["decision"]
    assert (fixation[:, :, 0] == ~deciding).all()


@pytest.mark.parametrize(("kind", "gates"), [("rate", 1), ("gru", 3), ("lstm", 4)])
def test_costs_are_those_counted_by_hand(kind: str, gates: int):
    counted = costs(load_program(config_of(kind=kind)))
    enter, recur, read = gates * INPUTS * WIDTH, gates * WIDTH**2, WIDTH * OUTPUTS
    assert counted["num_parameters"] == {
        "total": enter + recur + read,
        "input": enter,
        "recurrent": recur,
        "readout": read,
    }
    assert counted["flops_per_step"] == 2 * (enter + recur + read)
    assert counted["flops_per_trial"] == STEPS * counted["flops_per_step"]
    # Twice as many backward; but inputs have no gradient, and the state before the first step is
    # zero, so that nothing came of the recurrent matrix there.
    expected = 3 * counted["flops_per_trial"] - STEPS * 2 * enter - 2 * recur
    assert counted["training_flops_per_trial"] == expected


def test_a_feed_forward_network_takes_a_trial_in_one_step():
    counted = costs(load_program(config_of(kind="feed_forward")))
    forward = 2 * (STEPS * INPUTS * WIDTH + WIDTH**2 + WIDTH * OUTPUTS)
    assert counted["num_network_steps"] == 1
    assert counted["flops_per_step"] == counted["flops_per_trial"] == forward


@pytest.fixture(scope="module")
def described() -> tuple[dict, dict[str, bytes]]:
    initializer = {"kind": "gaussian", "gain": 2.0, "rank": 4, "match": "norm"}
    return describe_trials(config_of(connectivity={"recurrent": initializer}))


def test_weights_are_measured_as_connectivity_has_them(described: tuple[dict, dict[str, bytes]]):
    report, pictures = described
    recurrent = report["weights"]["recurrent"]
    assert recurrent["norm"] == pytest.approx(2 * WIDTH**0.5, rel=1e-4)
    assert 3 < recurrent["effective_rank"] < 4.001
    assert report["weights"]["readout"]["spectral_radius"] is None
    for picture in pictures.values():
        assert np.asarray(Image.open(io.BytesIO(picture))).std() > 0
    text = printed(report)
    for words in ("stimulus 2, decision 1", "fixation 1, ring 2", f"{recurrent['norm']:.4g}"):
        assert words in text
    assert "fixation 0" not in text


def test_a_warning_comes_last_where_there_is_one(described: tuple[dict, dict[str, bytes]]):
    report, _ = described
    assert len(trial_tables(report | {"warning": ""})) == 3
    assert "warning: too large" in printed(report | {"warning": "too large"})


@pytest.mark.parametrize(("kind", "gates"), [("gru", 3), ("lstm", 4), ("feed_forward", 1)])
def test_every_network_is_described(kind: str, gates: int, monkeypatch: pytest.MonkeyPatch):
    drawn: list[np.ndarray] = []
    monkeypatch.setattr(
        "icl.description.trials.draw_spectra", lambda parts: drawn.extend(parts.values()) or b""
    )
    report, pictures = describe_trials(config_of(kind=kind))
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert sorted(pictures) == ["spectrum.png", "trials.png"]
    assert [part.shape for part in drawn] == gates * [(WIDTH, WIDTH)]
    whole = np.concatenate(drawn, axis=1)
    norms = [
        weights["norm"]
        for name, weights in report["weights"].items()
        if name.partition("/")[0] == "recurrent"
    ]
    assert len(norms) == gates
    assert np.linalg.norm(whole) == pytest.approx(np.linalg.norm(norms))


def test_a_rank_above_the_width_is_refused():
    config = config_of(connectivity={"recurrent": {"kind": "own", "rank": WIDTH + 1}})
    with refused("connectivity.recurrent.rank = 17", "16"):
        describe_trials(config)


def test_the_command_prints_one_document_and_leaves_its_pictures(script, tmp_path: Path):
    config = tmp_path / "task.yaml"
    config.write_text(
        "task: {kind: two_alternative, stimulus: 200}\nmodel: {kind: rate, width: 16}\n"
    )
    done = script("describe.py", "task.yaml", "--json", "--out=out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    names = ["description.json", "spectrum.png", "trials.png"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    assert json.loads((tmp_path / "out" / "description.json").read_text()) == report
    assert "spectral radius" in done.stderr
