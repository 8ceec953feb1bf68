"""Networks made equally large, or equally dear."""

from pathlib import Path

import numpy as np
import pytest

from icl.config import ExperimentConfig
from icl.config.yaml import load_config
from icl.description.matching import COSTS, match
from icl.problems.cost import num_parameters

from ..conftest import QUICKSTART, small
from ..messages import check_line, refused

TASK = QUICKSTART.parent / "liu2023" / "base.yaml"
EXAMPLES = np.ones((20, 12, 12), np.float32)


def make(*overrides: str) -> ExperimentConfig:
    kept = [w for w in small(*overrides) if "num_heads" not in w or "transformer" in overrides[0]]
    return load_config(QUICKSTART, kept)


@pytest.fixture
def few_widths(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search among widths up to 128: each that is looked at is traced."""
    monkeypatch.setattr("icl.description.matching.MAX_WIDTH", 128)


@pytest.mark.usefixtures("few_widths")
@pytest.mark.parametrize("kind", ["transformer", "mamba"])
def test_networks_come_as_near_to_a_budget_of_parameters_as_their_widths_allow(kind: str):
    """By their width alone: all else stays."""
    budget, config = 60_000, make(f"model.kind={kind}", "seed=5")
    matched, reached = match(config, "parameters", budget, EXAMPLES)
    assert matched.model.width != config.model.width
    before, after = config.model_dump(), matched.model_dump()
    before["model"].pop("width")
    after["model"].pop("width")
    assert before == after
    step = 2 if not hasattr(matched.model, "num_heads") else matched.model.num_heads
    neighbours = []
    for width in (matched.model.width - step, matched.model.width + step):
        tree = matched.model_dump()
        tree["model"]["width"] = width
        other = ExperimentConfig.model_validate(tree)
        neighbours.append(num_parameters(other, EXAMPLES))
    assert neighbours[0] < budget < neighbours[1]
    assert abs(reached - budget) <= min(abs(n - budget) for n in neighbours)


@pytest.mark.usefixtures("few_widths")
@pytest.mark.parametrize("of", COSTS)
def test_a_network_is_matched_to_itself(of: str):
    config = make("model.kind=lstm", "model.width=26")
    budget = COSTS[of](config, EXAMPLES)
    assert match(config, of, budget, EXAMPLES) == (config, budget)


@pytest.mark.parametrize(
    ("overrides", "budget", "subject"),
    [
        (["model.kind=gru"], 100, "--parameters = 100"),
        (["model.kind=gru"], 10**14, "--parameters = 100000000000000"),
        (
            ["model.kind=gru", "model.width=144", "model.embedder={kind: identity}"],
            10**5,
            "model.embedder.kind = identity",
        ),
    ],
    ids=["small", "large", "fixed"],
)
def test_what_cannot_be_matched_is_refused(overrides, budget, subject):
    config = load_config(
        QUICKSTART, [w for w in small(*overrides) if "num_heads" not in w and "hidden" not in w]
    )
    with refused(subject):
        match(config, "parameters", budget, EXAMPLES)


def test_a_task_is_refused():
    with refused("task.kind = two_alternative", "data"):
        match(load_config(TASK), "parameters", 10**5, EXAMPLES)


def test_the_command_prints_a_width_and_both_costs(script, tmp_path: Path):
    words = ["data.source={kind: symbolic}", "model.embedder={kind: table}", "model.kind=gru"]
    done = script("match.py", *words, "--parameters", "500000", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    first, *costs = done.stdout.splitlines()
    assert first.startswith("model.width=")
    assert [line.split(":")[0].strip() for line in costs] == [
        "trained parameters in all",
        "floating-point operations of training on one sequence",
    ]
    config = load_config(QUICKSTART, [*words, first])
    count = num_parameters(config, np.arange(20, dtype=np.int32))
    assert f"{count:,}" == costs[0].split(": ")[1]
    assert abs(count - 500_000) < 0.05 * 500_000


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([], ["budget", "--parameters", "--flops"]),
        (["--parameters", "9", "--flops", "9"], ["budget", "--parameters", "--flops"]),
        (["--flops", "3x"], ["--flops = 3x", "1"]),
        (["--flops", "9", "model.width=0"], ["model.width = 0"]),
        (["--flops", "9", str(TASK)], ["task.kind = two_alternative", "data"]),
    ],
)
def test_one_line_names_a_mistake(script, tmp_path: Path, words: list[str], named: list[str]):
    done = script("match.py", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    check_line(line, *named)
