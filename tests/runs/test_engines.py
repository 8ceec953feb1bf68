"""Runs that go together: each is what it is alone, and stops alone."""

from fnmatch import fnmatchcase
from importlib import import_module
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from icl.config.traced import TRACED, flatten, program_of
from icl.config.yaml import parse_config
from icl.problems.base import Program, make_program
from icl.problems.load import load_program
from icl.runs.engines.base import Compilations, Engine
from icl.runs.engines.lanes import LanesEngine, check_memory
from icl.runs.engines.single import SingleEngine
from icl.runs.engines.table import ENGINES

from ..problems.test_sequences import counted_compilations
from ..programs import of_any_length

# Adam makes steps of equal size of gradients that are zero but for rounding.
SGD = "training.optimizer=sgd"
RUNS = (
    "seed=1",
    "data.p_bursty=0.2",
    "data.zipf_exponent=1.0",
    "training.learning_rate=0.01",
)


@pytest.fixture(scope="module")
def shared() -> dict:
    return {}


@pytest.fixture
def program(small_config, shared) -> Program:
    """Made once for this module, so that it is compiled once."""
    if not shared:
        config = small_config(SGD)
        shared["program"] = load_program(config)
    return shared["program"]


def alone(program: Program, config, stop: int):
    inputs = program.inputs(config)
    engine = SingleEngine(program, [inputs])
    state = engine.train(engine.place([program.init(inputs)]), stop)
    return engine.fetch(state)[0], engine.evaluate(state)[0]


KEPT = Compilations()  # of the program of this module: groups of three are compiled once


def together(program: Program, configs, stop: int, compilations: Compilations = KEPT):
    inputs = [program.inputs(config) for config in configs]
    engine = LanesEngine(program, inputs, compilations)
    lanes = engine.train(engine.place([program.init(own) for own in inputs]), stop)
    return engine, lanes


def assert_close(one, other) -> None:
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-5)


@pytest.mark.slow
def test_a_lane_is_the_run_alone(program, small_config):
    configs = [small_config(SGD, word) for word in RUNS]
    engine, lanes = together(program, configs, 5)
    states, scores = engine.fetch(lanes), engine.evaluate(lanes)
    assert len(states) == len(configs)
    for config, state, of_lane in zip(configs, states, scores, strict=True):
        expected, expected_scores = alone(program, config, 5)
        assert_close(state, expected)
        for name, metrics in expected_scores.items():
            np.testing.assert_allclose(of_lane[name]["loss"], metrics["loss"], rtol=1e-3)
    losses = [float(state.loss_sum) for state in states]
    assert len(set(losses)) == len(losses)


def test_a_lane_that_is_not_finite_stops_alone(program, small_config):
    bad = small_config(SGD, "training.learning_rate=1e30")
    engine, lanes = together(
        program, [small_config(SGD, RUNS[0]), bad, small_config(SGD, RUNS[1])], 8
    )
    bad_steps = [step for step, _ in engine.progress(lanes)]
    assert bad_steps[0] == bad_steps[2] == 0 < bad_steps[1] <= 8
    states = engine.fetch(lanes)
    assert int(states[1].step) == bad_steps[1] - 1
    assert_close(states[0], alone(program, small_config(SGD, RUNS[0]), 8)[0])
    assert_close(states[2], alone(program, small_config(SGD, RUNS[1]), 8)[0])


@pytest.mark.parametrize("engine", ENGINES)
def test_states_come_back_as_they_were_placed(program, small_config, engine):
    count = 3 if engine == "vmap" else 1
    inputs = [program.inputs(small_config(SGD, f"seed={i}")) for i in range(count)]
    computed, states = ENGINES[engine](program, inputs), [program.init(own) for own in inputs]
    assert isinstance(computed, Engine)
    expected = [jax.device_get(state) for state in states]
    for one, other in zip(computed.fetch(computed.place(states)), expected, strict=True):
        jax.tree.map(np.testing.assert_array_equal, one, other)


def test_the_record_begins_anew(program, small_config):
    engine, lanes = together(program, [small_config(SGD, f"seed={i}") for i in range(3)], 3)
    assert all(loss > 0 for _, loss in engine.progress(lanes))
    lanes = engine.begin_record(lanes)
    assert all(loss == 0 for _, loss in engine.progress(lanes))
    lanes = engine.train(lanes, 4)
    assert [int(state.loss_count) for state in engine.fetch(lanes)] == [1, 1, 1]


def test_a_second_group_of_as_many_lanes_compiles_nothing(program, small_config):
    kept = Compilations()
    together(program, [small_config(SGD, word) for word in RUNS[:3]], 2, kept)
    others = [small_config(SGD, word, "training.warmup_steps=7") for word in RUNS[1:]]
    with counted_compilations() as compiled:
        together(program, others, 3, kept)
    assert [name for name in compiled if "train" in name] == []


class Stub:
    """A compiled program, and a device, of so many bytes."""

    def __init__(self, needed: int, free: int | None):
        self.needed, self.free = needed, free

    def memory_analysis(self) -> SimpleNamespace:
        return SimpleNamespace(temp_size_in_bytes=self.needed - 10, argument_size_in_bytes=10)

    def memory_stats(self) -> dict[str, int] | None:
        return None if self.free is None else {"bytes_limit": self.free + 7, "bytes_in_use": 7}


def test_a_program_that_does_not_fit_is_refused_before_it_runs():
    for needed, free in ((100, 100), (100, None)):
        stub = Stub(needed, free)
        check_memory(stub, stub)
    stub = Stub(101, 100)
    with pytest.raises(RuntimeError, match="RESOURCE_EXHAUSTED: 101 bytes needed, 100 free"):
        check_memory(stub, stub)


# Two values of every setting that programs take as an argument, all of them on.
BOTH = (
    "model.num_layers=2",
    "data.mixture={bursty: 1, independent: 2}",
    "data.num_blocks=3",
    "connectivity={'block0/mlp_in': {kind: own, rank: 3, gain: 2.0}, 'block0/mlp_out': "
    "{kind: log_normal, sigma: 1.0}, 'block1/mlp_in': {kind: sparse, density: 0.3}, "
    "'block1/mlp_out': {kind: block, num_groups: 2, contrast: 3.0}, "
    "'*/query': {kind: dale}, '*/key': {kind: motifs, convergent: 0.1, divergent: 0.1}, "
    "'*/value': {kind: aligned, path: FOLDER/one.npy}, 'readout': {kind: cell_types, "
    "fractions: [1, 2], probabilities: [[1, 0], [0, 1]], strengths: [[1, 1], [-1, -1]]}}",
    "training.weight_decay_of={'block*': 0.1}",
)
ONE = {
    "seed": 0,
    "data.p_bursty": 0.5,
    "data.mixture.bursty": 1.0,
    "data.zipf_exponent": 0.0,
    "data.num_common_classes": 5,
    "data.p_relevant": 0.9,
    "data.block_steps": 10,
    "data.num_blocks": 3,
    "data.label_noise": 0.1,
    "data.cue_reliability": 0.9,
    "data.noise_scale": 0.1,
    "data.p_matched_exemplar": 0.1,
    "data.p_copied_exemplar": 0.1,
    "data.num_sequences": 100,
    "training.learning_rate": 1e-3,
    "training.warmup_steps": 10,
    "training.decay": "none",
    "training.weight_decay": 0.0,
    "training.clip_norm": None,
    "training.adam_b1": 0.9,
    "training.adam_b2": 0.99,
    "training.interim_weight": 0.1,
}
OTHER = {
    "seed": 1,
    "data.p_bursty": 0.0,
    "data.mixture.bursty": 0.5,
    "data.zipf_exponent": 1.5,
    "data.num_common_classes": 7,
    "data.p_relevant": 0.5,
    "data.block_steps": 20,
    "data.num_blocks": 2,
    "data.label_noise": 0.2,
    "data.cue_reliability": 0.5,
    "data.noise_scale": 0.2,
    "data.p_matched_exemplar": 0.2,
    "data.p_copied_exemplar": 0.2,
    "data.num_sequences": 50,
    "training.learning_rate": 1e-2,
    "training.warmup_steps": 20,
    "training.decay": "inverse_sqrt",
    "training.weight_decay": 0.1,
    "training.clip_norm": 1.0,
    "training.adam_b1": 0.8,
    "training.adam_b2": 0.9,
    "training.interim_weight": 0.3,
}
CONNECTIVITY = (
    "connectivity={'block0/mlp_in': {kind: own, rank: 5, gain: 1.0}, 'block0/mlp_out': "
    "{kind: log_normal, sigma: 2.0}, 'block1/mlp_in': {kind: sparse, density: 0.5}, "
    "'block1/mlp_out': {kind: block, num_groups: 4, contrast: 2.0}, "
    "'*/query': {kind: dale, fraction: 0.5, balanced: false}, '*/key': {kind: motifs, "
    "convergent: 0.2, divergent: 0.3, chain: 0.1, reciprocal: 0.1, centred: false}, "
    "'*/value': {kind: aligned, path: FOLDER/other.npy, transposed: true, alignment: 0.5}, "
    "'readout': {kind: cell_types, fractions: [2, 2], probabilities: [[0.5, 0.5], [0, 1]], "
    "strengths: [[1, 2], [-1, -1]]}}"
)
MOMENTUM = {
    "training.optimizer": "sgd",
    "training.momentum": 0.1,
    "data.drift_rate": 0.1,
    "data.class_probabilities": [2.0] * 10 + [1.0] * 20,
}
OTHER_MOMENTUM = MOMENTUM | {
    "training.momentum": 0.5,
    "data.drift_rate": 0.2,
    "data.class_probabilities": [3.0] + [1.0] * 29,
}


TASK = {"task.coherences": [50.0, 100.0], "task.sigma": 0.5, "task.cue_sigma": 0.1}
OTHER_TASK = {"task.coherences": [10.0, 20.0], "task.sigma": 1.5, "task.cue_sigma": 0.2}


def task_config(settings: dict):
    return parse_config(
        {
            "task": {"kind": "two_alternative", "stimulus": 200}
            | {name.removeprefix("task."): value for name, value in settings.items()},
            "model": {"kind": "rate", "width": 8},
        }
    )


def lowered(config) -> str:
    # A program of its own: that of another config would show nothing.
    program = make_program(import_module(f"icl.problems.{config.problem}").load(config))
    inputs, stop = program.inputs(config), jnp.int32(5)
    calls = (
        program.init.lower(inputs),
        program.train.lower(program.shapes, stop, inputs, program.arrays),
        program.evaluate.lower(program.shapes, inputs, program.arrays),
    )
    return "".join(call.as_text() for call in calls)


def words(settings: dict) -> list[str]:
    return [f"{k}={'null' if v is None else v}" for k, v in settings.items()]


def test_a_program_knows_nothing_of_what_it_takes_as_an_argument(small_config, tmp_path):
    np.save(tmp_path / "one.npy", np.ones((16, 16)))
    np.save(tmp_path / "other.npy", np.eye(16))
    both = [word.replace("FOLDER", str(tmp_path)) for word in BOTH]
    connectivity = CONNECTIVITY.replace("FOLDER", str(tmp_path))
    one = small_config(*both, *words(ONE))
    other = small_config(
        *both[:3], connectivity, "training.weight_decay_of={'block*': 0.3}", *words(OTHER)
    )
    plain = "data.num_common_classes=0", "evaluation.conditions=[train]"
    sgd, other_sgd = (small_config(*plain, *words(table)) for table in (MOMENTUM, OTHER_MOMENTUM))
    task, other_task = task_config(TASK), task_config(OTHER_TASK)
    for pair in ((one, other), (sgd, other_sgd), (task, other_task)):
        assert program_of(pair[0]) == program_of(pair[1])
        assert lowered(pair[0]) == lowered(of_any_length(pair[1]))
    varied = differing(one, other) | differing(sgd, other_sgd) | differing(task, other_task)
    assert varied == set(TRACED), set(TRACED) ^ varied


def differing(one, other) -> set[str]:
    """The patterns of the settings that two configs differ in."""
    pairs = flatten(one.model_dump()), flatten(other.model_dump())
    names = {name for name in pairs[0] if pairs[0][name] != pairs[1][name]}
    found = {p for name in names for p in TRACED if fnmatchcase(name, p)}
    assert all(any(fnmatchcase(name, p) for p in TRACED) for name in names), names
    return found
