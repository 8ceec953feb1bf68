"""Runs on tasks: what is trained, what is measured of it, and that runs go together."""

import json
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from icl.config import TaskExperimentConfig
from icl.config.claims import MEASURES
from icl.config.probes import PROBES
from icl.config.yaml import parse_config
from icl.description.trials import describe_trials
from icl.models.task_networks import make_task_network
from icl.probes.find import measure
from icl.probes.tangent_kernel import (
    layer_kernels,
    projected_kernel,
    projection_error,
    tangent_kernel,
)
from icl.probes.trial_view import kernels, trial_view
from icl.probes.weight_statistics import stability_warning
from icl.problems.load import load_program
from icl.records import load
from icl.records.lines import read_lines
from icl.runs.engines.lanes import LanesEngine
from icl.runs.engines.single import SingleEngine
from icl.runs.progress import Progress
from icl.runs.run import train
from icl.training.losses import task_loss
from icl.types import Masked, Trials, with_nan

from ..messages import refused
from ..models import numpy_recurrent

STEPS, INPUTS, OUTPUTS, WIDTH, TRIALS = 4, 3, 2, 5, 6
NETWORKS = ("rate", "gru", "lstm", "feed_forward")


def config_of(**changes: object) -> TaskExperimentConfig:
    tree = {
        "task": {"kind": "two_alternative", "stimulus": 200, "sigma": 0.1, "coherences": [100.0]},
        "model": {"kind": "rate", "width": 16},
        "training": {
            "num_steps": 20,
            "batch_size": 8,
            "optimizer": "sgd",
            "momentum": 0.9,
            "learning_rate": 0.01,
            "warmup_steps": 1,
            "decay": "none",
        },
        "evaluation": {
            "every": 10,
            "num_sequences": 32,
            "num_trials": 16,
            "num_kernel_trials": 4,
        },
        "checkpoints": {"every": 10},
    }
    for name, value in changes.items():
        branch = tree.get(name)
        tree[name] = branch | value if isinstance(branch, dict) and "kind" not in value else value
    config = parse_config(tree)
    assert isinstance(config, TaskExperimentConfig)
    return config


@pytest.mark.parametrize("last_only", [False, True])
@pytest.mark.parametrize("kind", NETWORKS)
def test_kernels_are_those_of_the_gradients(kind: str, last_only: bool):
    network = make_task_network(config_of(model={"kind": kind, "width": WIDTH}).model, 4, 3, 2)
    params = network.init(jax.random.key(0))
    trials = jax.random.normal(jax.random.key(1), (TRIALS, STEPS, INPUTS))

    def outputs(params: dict, trial: jax.Array) -> jax.Array:
        logits = network.apply(params, trial[None])[0][0]
        return logits[-1:] if last_only else logits

    expected = jax.jit(lambda *of: layer_kernels(outputs, *of))(params, trials)
    found = jax.jit(lambda *of: kernels(network, *of, last_only))(params, trials)
    for name, kernel in found.items():
        whole = expected[name]["kernel"]
        np.testing.assert_allclose(kernel, whole, atol=1e-5 * float(jnp.abs(whole).max()))


@pytest.mark.parametrize("kind", NETWORKS)
def test_kernels_can_be_estimated(kind: str):
    """Estimates exist also for networks that have a gradient of their own."""
    network = make_task_network(config_of(model={"kind": kind, "width": WIDTH}).model, 4, 3, 2)
    params = network.init(jax.random.key(0))
    trials = jax.random.normal(jax.random.key(1), (TRIALS, STEPS, INPUTS))

    def outputs(params: dict, trial: jax.Array) -> jax.Array:
        return network.apply(params, trial[None])[0][0]

    exact = jax.jit(lambda *of: tangent_kernel(outputs, *of))(params, trials)
    found = jax.jit(lambda *of: projected_kernel(jax.random.key(2), outputs, *of, 2000))(
        params, trials
    )
    error = jnp.linalg.norm(found - exact) / jnp.linalg.norm(exact)
    assert 0.5 < error / projection_error(exact, 2000) < 1.5


# The cell in NumPy, and which of our gates stands at each place of its own.
IN_NUMPY = {
    "rate": (numpy_recurrent.ctrnn, [0]),
    "gru": (numpy_recurrent.gru, [0, 1, 2]),
    "lstm": (numpy_recurrent.lstm, [0, 2, 1, 3]),
}


@pytest.mark.parametrize("kind", NETWORKS)
def test_networks_are_those_in_numpy(kind: str):
    leak = {"leak": 0.3} if kind == "rate" else {}
    config = config_of(model={"kind": kind, "width": WIDTH} | leak).model
    network = make_task_network(config, STEPS, WIDTH, OUTPUTS)
    drawn = network.init(jax.random.key(0))
    params = {name: np.asarray(matrix["kernel"]) for name, matrix in drawn.items()}
    trial = np.random.default_rng(0).standard_normal((STEPS, WIDTH)).astype(np.float32)
    logits, aux = network.apply(drawn, jnp.asarray(trial[None]))

    if kind == "feed_forward":
        first = np.maximum(trial.ravel() @ params["input"], 0)
        expected = np.maximum(first @ params["recurrent"], 0)[None]
    else:
        cell, order = IN_NUMPY[kind]
        gates = {
            name: np.split(params[name], len(order), axis=1) for name in ("input", "recurrent")
        }
        own = {name: {"kernel": np.hstack([gates[name][i] for i in order])} for name in gates}
        expected = cell(trial, own, SimpleNamespace(leak=0.3, forget_bias=0))
    np.testing.assert_allclose(aux["hidden"][0], expected, atol=1e-5)
    np.testing.assert_allclose(logits[0], expected @ params["readout"], atol=1e-5)


def test_the_loss_is_over_the_steps_that_have_a_weight():
    logits = jnp.log(jnp.array([[[0.5, 0.5], [0.25, 0.75], [0.1, 0.9]]]))
    trials = Trials(jnp.zeros((1, 3, 1)), jnp.array([[0, 1, 0]]), jnp.array([[1.0, 0.0, 3.0]]))
    expected = -(np.log(0.5) + 3 * np.log(0.1)) / 4
    np.testing.assert_allclose(task_loss(logits, trials), [expected], rtol=1e-6)
    # A network of one step answers for the last.
    np.testing.assert_allclose(task_loss(logits[:, -1:], trials), [-np.log(0.1)], rtol=1e-6)


def test_a_run_records_measures_from_its_start_on(tmp_path: Path):
    config = config_of(connectivity={"recurrent": {"kind": "gaussian", "gain": 1.6, "rank": 2}})
    train(config, tmp_path, Progress())
    data = load(tmp_path).sel(condition="task")
    first, last = data.isel(step=0), data.isel(step=-1)
    assert set(MEASURES) <= set(data)
    for name in ("representation_alignment", "kernel_alignment", "kernel_alignment_all"):
        assert float(first[name]) == pytest.approx(1, abs=1e-4)
        assert 0 < float(last[name]) < 1 - 1e-4
    assert float(first.sign_similarity) > 0.99
    assert float(first.weight_change) < 1e-3 < float(last.weight_change)
    assert float(last.weight_change) < float(last.weight_change_all)
    assert float(last.loss) < float(first.loss)
    assert float(first.accuracy_chance) == 0.5
    assert float(first.accuracy_chance_all) == pytest.approx(1 / 3)  # to fixate is an answer too
    began = json.loads((tmp_path / "connectivity.json").read_text())
    assert began["recurrent"]["effective_rank"] < 2.001
    warnings = [e["text"] for e in read_lines(tmp_path / "events.jsonl") if e["event"] == "warning"]
    assert warnings == [stability_warning("rate", began)] != [""]
    rank = load(tmp_path).start_effective_rank.sel(matrix="recurrent")
    assert float(rank) == began["recurrent"]["effective_rank"]
    assert {path.name for path in tmp_path.iterdir()} >= {"sequences.png", "curves.png"}


def test_runs_of_other_ranks_and_noise_share_a_program_and_are_what_they_are_alone():
    configs = [
        config_of(
            seed=seed,
            task={"sigma": sigma},
            connectivity={"recurrent": {"kind": "gaussian", "gain": 1.0, "rank": rank}},
        )
        for seed, rank, sigma in ((0, 1, 0.1), (1, 16, 0.5), (2, 4, 0.3))
    ]
    program = load_program(configs[0])
    inputs = [program.inputs(config) for config in configs]
    pack = LanesEngine(program, inputs)
    lanes = pack.train(pack.place([program.init(own) for own in inputs]), 5)
    for own, state, scores in zip(inputs, pack.fetch(lanes), pack.evaluate(lanes), strict=True):
        alone = SingleEngine(program, [own])
        expected = alone.train(alone.place([program.init(own)]), 5)
        for a, b in zip(*(jax.tree.leaves(s.variables) for s in (state, expected)), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)
        (expected_scores,) = alone.evaluate(expected)
        expected_scores = with_nan(expected_scores["task"])
        for metric, value in with_nan(scores["task"]).items():
            np.testing.assert_allclose(value, expected_scores[metric], rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("kind", NETWORKS)
def test_every_network_is_measured(kind: str):
    """Measures agree with those of targets by hand: the outputs that the kernel is over."""
    network = make_task_network(config_of(model={"kind": kind, "width": WIDTH}).model, 4, 3, 2)
    initial, params = (network.init(jax.random.key(seed)) for seed in (0, 1))
    trials = jax.random.normal(jax.random.key(1), (TRIALS, STEPS, INPUTS))
    targets = jax.random.randint(jax.random.key(2), (TRIALS, STEPS), 0, OUTPUTS)
    drawn = Trials(trials, targets, jnp.ones((TRIALS, STEPS)))

    @jax.jit
    def measured(params: dict, initial: dict) -> dict[str, jax.Array | Masked]:
        return measure(trial_view(network, params, initial, (drawn, drawn), False), PROBES)

    found = with_nan(measured(params, initial))
    assert set(found) == set(MEASURES)
    asked = np.asarray(targets[:, -1:] if kind == "feed_forward" else targets)
    y = np.eye(OUTPUTS)[asked].ravel()
    kernel = np.asarray(kernels(network, params, trials, kind == "feed_forward")["recurrent"])
    expected = y @ kernel @ y / (y @ y * np.trace(kernel))
    assert float(found["kernel_target_alignment"]) == pytest.approx(expected, rel=1e-4)
    same = with_nan(measured(params, params))
    for name in ("kernel_alignment", "kernel_alignment_all", "representation_alignment"):
        assert float(same[name]) == pytest.approx(1, abs=1e-5)
        assert float(found[name]) < 0.999


def test_gates_begin_each_by_itself(tmp_path: Path):
    initializers = {
        "recurrent/*": {"kind": "own", "rank": 1},
        "recurrent/cell": {"kind": "own", "gain": 9},
    }
    config = config_of(model={"kind": "lstm", "width": 16}, connectivity=initializers)
    program = load_program(config)
    weights = program.matrices(program.init(program.inputs(config)))
    ranks = {n: np.linalg.matrix_rank(w) for n, w in weights.items() if "recurrent" in n}
    gates = ("input_gate", "forget_gate", "cell", "output_gate")
    assert ranks == {f"recurrent/{gate}": 16 if gate == "cell" else 1 for gate in gates}
    description, _ = describe_trials(config)
    assert "recurrent/cell begins with a spectral radius" in description["warning"]


@pytest.mark.parametrize("kept", [False, True])
def test_signs_are_kept_where_dales_law_is(kept: bool):
    initializer = {"kind": "dale", "fraction": 0.75, "kept": kept}
    config = config_of(connectivity={"recurrent": initializer}, training={"learning_rate": 0.3})
    program = load_program(config)
    inputs = program.inputs(config)
    pack = SingleEngine(program, [inputs])
    state = pack.train(pack.place([program.init(inputs)]), 20)
    weights = np.asarray(program.matrices(state)["recurrent"])
    is_of_its_sign = bool((weights[:12] >= 0).all() and (weights[12:] <= 0).all())
    assert is_of_its_sign == kept


@pytest.mark.parametrize(
    ("changes", "subject"),
    [
        ({"model": {"kind": "transformer"}}, "model.kind = transformer"),
        ({"training": {"interim_weight": 0.1}}, "training.interim_weight = 0.1"),
        ({"task": {"stimulus": 150}}, "task.stimulus = 150"),
        ({"data": {"p_bursty": 1}}, "data"),
        (
            {"connectivity": {"recurrent": {"kind": "dale", "kept": True, "rank": 3}}},
            "connectivity.recurrent.rank = 3",
        ),
    ],
)
def test_mistakes_are_one_line(changes: dict, subject: str):
    with refused(subject):
        config_of(**changes)


def test_a_rank_above_the_width_is_refused_before_anything_is_written(tmp_path: Path):
    config = config_of(connectivity={"recurrent": {"kind": "own", "rank": 17}})
    with refused("connectivity.recurrent.rank = 17", "16"):
        train(config, tmp_path / "run", Progress())
    assert not (tmp_path / "run").exists()
