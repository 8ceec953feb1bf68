"""Every network of the comparison learns what only the context can tell (minutes each)."""

import pytest

from icl.config.models import NETWORKS
from icl.data.exemplars import load_exemplars
from icl.experiment import make_experiment
from icl.records.config_file import load_config
from tests.conftest import QUICKSTART

CONFIG = QUICKSTART.parent / "in_context_only.yaml"


@pytest.mark.slow
@pytest.mark.parametrize("kind", NETWORKS)
def test_every_network_learns_in_context(kind: str):
    config = load_config(CONFIG, [f"model.kind={kind}"])
    experiment = make_experiment(config, load_exemplars(config.data.source))
    state = experiment.train(experiment.init(), config.training.num_steps)
    scores = experiment.evaluate(state)["train"]
    chance = float(scores["accuracy_in_context_chance"])
    assert chance == 0.5
    # Six standard errors of 1,024 sequences at chance.
    assert float(scores["accuracy_in_context"]) > chance + 6 * 0.5 / 32
