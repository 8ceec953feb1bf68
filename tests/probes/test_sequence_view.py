"""How far networks that learn in context have moved: kernels, measures, and that runs keep both."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from icl.config import ExperimentConfig
from icl.config.claims import MEASURES as ALL_MEASURES
from icl.config.probes import PROBES
from icl.config.yaml import parse_config
from icl.models.network import Network
from icl.probes.find import measure
from icl.probes.sequence_view import kernels, sequence_view
from icl.problems.base import Program, bind
from icl.problems.load import load_program
from icl.records import load
from icl.runs.progress import Progress
from icl.runs.run import train
from icl.runs.summary import make_record
from icl.training.step import TrainState
from icl.types import IndexSequence, Masked, Sequence, Variables, with_nan

KINDS = ("transformer", "lstm")
# Those of a task but for what only its networks have.
MEASURES = set(ALL_MEASURES)


def config_of(kind: str, measures: bool = True) -> ExperimentConfig:
    heads = {"num_heads": 2} if kind == "transformer" else {}
    config = parse_config(
        {
            "data": {
                "source": {"kind": "symbolic", "num_classes": 16},
                "num_classes": 16,
                "num_common_classes": 0,
                "num_holdout_classes": 0,
                "context_len": 4,
                "shots": 2,
                "ways": 2,
                "p_bursty": 1,
            },
            "model": {
                "kind": kind,
                "num_layers": 1,
                "width": 8,
                "mlp_ratio": 0,
                "label_init_std": 0.5,
                "embedder": {"kind": "table"},
            }
            | heads,
            "training": {
                "num_steps": 20,
                "batch_size": 16,
                "learning_rate": 0.1,
                "warmup_steps": 1,
            },
            "evaluation": {
                "every": 10,
                "num_sequences": 32,
                "conditions": ["train"],
                "measures": measures,
            },
            "checkpoints": {"every": 20},
        }
    )
    assert isinstance(config, ExperimentConfig)
    return config


@cache
def program_of(kind: str, measures: bool = True) -> Program:
    program = load_program(config_of(kind, measures))
    return program


def evaluate(program: Program, state: TrainState) -> dict[str, dict[str, np.ndarray]]:
    return bind(program, program.config).evaluate(state)


@cache
def small_case(kind: str) -> tuple[Network, Variables, Sequence]:
    network = program_of(kind).problem.network
    items, labels = jax.random.randint(jax.random.key(1), (2, 5, 5), 0, 16)
    return network, jax.jit(network.init)(jax.random.key(0)), Sequence(items, labels)


@cache
def kernels_of(kind: str) -> Callable[[Variables], dict[str, jax.Array]]:
    network, _, sequences = small_case(kind)
    return jax.jit(lambda variables: kernels(network.apply, variables, sequences))


@pytest.mark.parametrize("kind", KINDS)
def test_kernels_are_those_of_the_gradients(kind: str):
    network, variables, sequences = small_case(kind)

    def outputs(params: dict[str, Any]) -> jax.Array:
        logits = network.apply(variables._replace(params=params), sequences)[0][:, 0]
        right = logits[jnp.arange(5), sequences.labels[:, -1]]
        return right - logits.mean(axis=1)

    jacobian = jax.jit(jax.jacrev(outputs))(variables.params)
    expected = {name: np.zeros((5, 5)) for name in ("mixing", "input", "readout", "all")}
    for path, leaf in jax.tree_util.tree_leaves_with_path(jacobian):
        rows = np.asarray(leaf, np.float64).reshape(5, -1)
        expected["all"] += rows @ rows.T
        if "mixer" in [part.key for part in path] and path[-1].key == "kernel":
            expected["mixing"] += rows @ rows.T
        if path[0].key in ("embedder", "label_table") and path[-1].key != "bias":
            expected["input"] += rows @ rows.T
        if [part.key for part in path] == ["readout", "kernel"]:
            expected["readout"] += rows @ rows.T
    found = kernels_of(kind)(variables)
    assert set(found) == set(expected)
    for name, kernel in found.items():
        assert np.abs(expected[name]).max() > 0
        np.testing.assert_allclose(kernel, expected[name], atol=1e-5 * np.abs(kernel).max())


def test_what_only_the_readout_has_learned_leaves_states_and_the_mixers_kernel():
    network, variables, sequences = small_case("transformer")
    readout = variables.params["readout"]
    # Twice the differences between logits, and something that raises all of them alike.
    kernel = 2 * readout["kernel"] + jnp.arange(8.0)[:, None]
    params = variables.params | {"readout": readout | {"kernel": kernel}}
    changed = variables._replace(params=params)
    indices = IndexSequence(*[sequences.labels] * 3, jnp.ones(5, int), jnp.zeros(5, int))

    def measured(now: Variables, start: Variables) -> dict[str, jax.Array | Masked]:
        return measure(sequence_view(network.apply, now, start, indices, sequences), PROBES)

    found = with_nan(jax.jit(measured)(changed, variables))
    assert set(found) == MEASURES
    for name in ("representation_alignment", "sign_similarity", "kernel_alignment"):
        assert float(found[name]) == pytest.approx(1, abs=1e-4)
    assert float(found["kernel_alignment_all"]) < 1 - 1e-4
    assert float(found["weight_change"]) == 0
    change = np.linalg.norm(np.asarray(kernel - readout["kernel"]))
    assert float(found["weight_change_all"]) == pytest.approx(change, rel=1e-5)
    # The share of the kernel along (1, ..., 1), and (tr K)^2 / |K|^2.
    gram = np.asarray(kernels_of("transformer")(changed)["mixing"])
    share = gram.sum() / (5 * np.trace(gram))
    assert float(found["kernel_target_alignment"]) == pytest.approx(share, rel=1e-4)
    rank = np.trace(gram) ** 2 / (gram**2).sum()
    assert float(found["kernel_rank"]) == pytest.approx(rank, rel=1e-4)


def test_a_search_for_nan_finds_none_and_changes_no_record():
    """Programs return a mask of what is undefined; records hold null there."""
    program = program_of("transformer")
    inputs = program.inputs(program.config)
    state = program.init(inputs)

    def record() -> str:
        scores = jax.device_get(program.evaluate(state, inputs, program.arrays))
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(scores))
        return json.dumps(make_record(program.config, 0, None, scores))

    plain = record()
    assert "null" in plain.partition("accuracy_by_frequency")[2].partition("]")[0]
    with jax.debug_nans(True):
        assert record() == plain


def test_other_scores_are_the_same_bits_with_measures_and_without():
    programs = [program_of("transformer", measures) for measures in (False, True)]
    state = programs[0].init(programs[0].inputs(programs[0].config))
    without, measured = (evaluate(program, state) for program in programs)
    for condition, scores in without.items():
        assert set(measured[condition]) - set(scores) == MEASURES
        for metric, value in scores.items():
            np.testing.assert_array_equal(value, measured[condition][metric])


def test_measures_are_of_the_same_sequences_at_every_evaluation():
    program = program_of("transformer")
    state = program.init(program.inputs(program.config))
    first, second = (
        evaluate(program, state._replace(step=jnp.asarray(step, state.step.dtype)))["train"]
        for step in (0, 7)
    )
    assert first["loss"] != second["loss"]
    for name in MEASURES:
        assert first[name] == second[name]


def check(first: Any, last: Any) -> None:
    """Measures before the first step and after far too large steps are as expected."""
    for alignment in ("representation_alignment", "kernel_alignment", "kernel_alignment_all"):
        assert float(first[alignment]) == pytest.approx(1, abs=1e-4)
        assert 0 < float(last[alignment]) < 0.99
    assert float(last["sign_similarity"]) < 0.99 < float(first["sign_similarity"])
    assert float(first["weight_change"]) < 1e-4
    assert 0.1 < float(last["weight_change"]) < float(last["weight_change_all"])
    for name in ("representation_rank", "kernel_rank"):
        assert 1 <= float(last[name]) <= 64
    assert 0 < float(last["kernel_target_alignment"]) < 1


def test_recurrent_networks_move_away_from_their_start():
    program = program_of("lstm")
    inputs = program.inputs(program.config)
    state = program.init(inputs)
    first = evaluate(program, state)["train"]
    state = program.train(state, jnp.int32(20), inputs, program.arrays)
    check(first, evaluate(program, state)["train"])


def test_a_run_records_how_far_attention_has_moved(tmp_path: Path):
    train(config_of("transformer"), tmp_path, Progress())
    data = load(tmp_path).sel(condition="train")
    check(data.isel(step=0), data.isel(step=-1))
