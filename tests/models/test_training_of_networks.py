"""Every network and every embedder trains as the quickstart does, and can learn."""

from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from icl.config.checks.networks import EMBEDDERS_BY_RANK
from icl.config.networks import NETWORKS
from icl.config.yaml import load_config
from icl.models.embedders import EMBEDDERS
from icl.problems.base import BoundProgram, bind
from icl.problems.load import load_program

from ..conftest import QUICKSTART, small

BRIEF = ("evaluation.conditions=[train]", "model.num_layers=1", "data.p_bursty=1")
SYMBOLS = ("data.source.kind=symbolic", "data.source.num_classes=40", "model.embedder.kind=table")


def make(*overrides: str) -> BoundProgram:
    """The small experiment, without the settings that others replace or do not have."""
    text = " ".join(overrides)
    kept = [
        word
        for word in small(*BRIEF, *overrides)
        if not ("hidden_dim" in word and "embedder.kind" in text)
        and not ("num_heads" in word and "model.kind" in text)
        and not (("source.size" in word or "exemplars" in word) and "symbolic" in text)
    ]
    config = load_config(QUICKSTART, kept)
    return bind(load_program(config), config)


def assert_trains(experiment: BoundProgram) -> None:
    before = experiment.init()
    after = experiment.train(jax.tree.map(jnp.copy, before), 2)
    assert int(after.step) == 2
    assert int(after.bad_step) == 0
    assert np.isfinite(float(after.loss_sum))
    moved = jax.tree.map(
        lambda a, b: bool((a != b).any()), before.variables.params, after.variables.params
    )
    assert all(jax.tree.leaves(moved)), moved


def all_of(kinds: Iterable[str], quick: tuple[str, ...]) -> list[Any]:
    """Parameters for all kinds. Quick are those that stand for the others, by their gradients."""
    return [pytest.param(kind, marks=() if kind in quick else pytest.mark.slow) for kind in kinds]


@pytest.mark.parametrize("kind", all_of(EMBEDDERS, ("mlp", "table")))
def test_every_embedder_trains(kind: str):
    extra = {"pca": ["model.embedder.num_components=5"], "identity": ["model.width=144"]}
    symbols = SYMBOLS[:2] if kind in EMBEDDERS_BY_RANK[0] else ()
    assert_trains(make(f"model.embedder.kind={kind}", *symbols, *extra.get(kind, [])))


@pytest.mark.parametrize("kind", all_of(NETWORKS, ("transformer", "lstm", "mamba")))
def test_every_network_trains_and_can_learn_a_few_sequences_by_heart(kind: str):
    experiment = make(
        f"model.kind={kind}",
        *SYMBOLS,
        "data.num_sequences=8",
        "data.label_noise=1.0",  # labels say nothing: there is no rule to be found
        "training.learning_rate=0.01",
    )
    assert_trains(experiment)
    state = experiment.init()
    losses = []
    for stop in (20, 400, 420):
        state = experiment.train(state, stop)
        losses.append(float(state.loss_sum) / int(state.loss_count))
        state = state._replace(
            loss_sum=jnp.zeros_like(state.loss_sum), loss_count=jnp.zeros_like(state.loss_count)
        )
    assert losses[-1] < 0.1 * losses[0]
