"""Settings of tasks: defaults of the paper, and mistakes named in one line each."""

import pytest
from pydantic import ValidationError

from icl.config.base import Settings
from icl.config.mistakes import describe
from icl.config.tasks import TaskConfig, TwoAlternativeTask


class Whole(Settings):
    task: TaskConfig = TwoAlternativeTask()


def load(**settings):
    return Whole.model_validate({"task": settings}).task


def lines(**settings) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        load(**settings)
    tree = {"task": settings}
    found = [line for e in caught.value.errors() for line in describe(e, tree, Whole)]
    assert all(line.startswith("task") and "\n" not in line for line in found), found
    return found


@pytest.mark.parametrize(
    ("kind", "steps", "inputs", "outputs"),
    [
        ("two_alternative", 8, 3, 3),
        ("match_to_sample", 8, 3, 3),
        ("context_dependent", 8, 7, 3),
        ("digits", 28, 28, 10),
    ],
)
def test_sizes_of_the_paper(kind, steps, inputs, outputs):
    config = load(kind=kind)
    assert (config.num_steps, config.num_inputs, config.num_outputs) == (steps, inputs, outputs)


def test_delays_and_sources():
    assert load(kind="match_to_sample", delay=0).num_steps == 3
    assert load(kind="context_dependent", dt=50).num_steps == 16
    digits = load(kind="digits", source={"kind": "sklearn"}, delay=4)
    assert (digits.num_steps, digits.num_inputs) == (12, 8)
    assert load(kind="two_alternative", coherences=[50.0]).coherences == (50.0,)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"kind": "go_no_go"}, ["task.kind = go_no_go", "two_alternative"]),
        ({"kind": "two_alternative", "stimulus": 250}, ["task.stimulus = 250", "task.dt = 100"]),
        ({"kind": "two_alternative", "stimulus": 0}, ["task.stimulus = 0", "1"]),
        ({"kind": "two_alternative", "decision": 0}, ["task.decision = 0", "1"]),
        ({"kind": "two_alternative", "dt": 0}, ["task.dt = 0", "1"]),
        ({"kind": "two_alternative", "dt": 1, "stimulus": 20000}, ["task.dt = 1;", "10000 steps"]),
        ({"kind": "two_alternative", "dim_ring": 1}, ["task.dim_ring = 1", "2"]),
        ({"kind": "two_alternative", "sigma": -0.5}, ["task.sigma = -0.5", "0"]),
        ({"kind": "two_alternative", "coherences": []}, ["task.coherences", "at least 1"]),
        ({"kind": "two_alternative", "coherences": [101.0]}, ["task.coherences.0 = 101", "100"]),
        ({"kind": "two_alternative", "sample": 100}, ["task.sample: unknown setting", "stimulus"]),
        ({"kind": "match_to_sample", "delay": -100}, ["task.delay = -100", "0"]),
        ({"kind": "context_dependent", "fixation_cue": "on"}, ["fixation_cue", "until_decision"]),
        ({"kind": "digits", "source": {"kind": "emnist"}}, ["source.kind = emnist", "sklearn"]),
        ({"kind": "digits", "delay": -1}, ["task.delay = -1", "0"]),
    ],
)
def test_a_mistake_is_one_line(settings, words):
    (line,) = lines(**settings)
    for word in words:
        assert word in line


def test_each_mistake_has_its_line():
    found = lines(kind="match_to_sample", sample=150, test=130, dt=100)
    assert [line.partition(" = ")[0] for line in found] == ["task.sample", "task.test"]
