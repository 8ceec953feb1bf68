"""Every network of the comparison learns what only the context determines (minutes each)."""

import pytest

from icl.config.networks import NETWORKS
from icl.config.yaml import load_config
from icl.problems.base import bind
from icl.problems.load import load_program

from ..conftest import QUICKSTART

CONFIG = QUICKSTART.parent / "in_context_only.yaml"
ENOUGH = 0.5 + 6 * 0.5 / 32  # six standard errors of 1,024 sequences above chance


@pytest.mark.slow
@pytest.mark.parametrize("kind", NETWORKS)
def test_every_network_learns_in_context(kind: str):
    config = load_config(CONFIG, [f"model.kind={kind}"])
    experiment = bind(load_program(config), config)
    state, accuracy = experiment.init(), 0.0
    for stop in (4000, config.training.num_steps):
        if accuracy < ENOUGH:
            state = experiment.train(state, stop)
            scores = experiment.evaluate(state)["train"]
            assert float(scores["accuracy_in_context_chance"]) == 0.5
            accuracy = float(scores["accuracy_in_context"])
    assert accuracy > ENOUGH
