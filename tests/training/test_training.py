"""The training loop on toys whose every number is known: the optimiser, the keys, the chunks."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from icl.config.embedders import LinearEmbedder
from icl.config.networks import TransformerConfig
from icl.models.network import make_network
from icl.training.losses import interim_loss, query_loss, sequence_loss
from icl.training.optimizer import Rates, learning_rate_at
from icl.training.step import TrainState, Update, init_state, train_step, train_until
from icl.types import Sequence, Variables

BATCH, ITEMS, DIM, LABELS = 6, 3, 4, 5
KEY = jax.random.key(11)


def make_rates(**changes: float) -> Rates:
    values = {
        "learning_rate": 0.1,
        "warmup_steps": 3.0,
        "weight_decay": 0.0,
        "clip_norm": math.inf,
        "adam_b1": 0.9,
        "adam_b2": 0.999,
    }
    return Rates(**{name: jnp.float32(value) for name, value in (values | changes).items()})


def fixed_batch(key: jax.Array, step: jax.Array | None = None) -> Sequence:
    rng = np.random.default_rng(0)
    return Sequence(
        jnp.asarray(rng.standard_normal((BATCH, ITEMS, DIM), np.float32)),
        jnp.asarray(rng.integers(LABELS, size=(BATCH, ITEMS), dtype=np.int32)),
    )


def random_batch(key: jax.Array, step: jax.Array | None = None) -> Sequence:
    item_key, label_key = jax.random.split(key)
    return Sequence(
        jax.random.normal(item_key, (BATCH, ITEMS, DIM)),
        jax.random.randint(label_key, (BATCH, ITEMS), 0, LABELS),
    )


def apply_linear(variables: Variables, sequence: Sequence, training: bool) -> tuple[Any, Any]:
    """Logistic regression on the query; the state counts the calls."""
    assert training
    logits = sequence.exemplars[:, -1] @ variables.params["w"] + variables.params["b"]
    return logits[:, None], {"state": {"calls": variables.state["calls"] + 1}}


def make_state(rates: Rates, seed: int = 1) -> TrainState:
    rng = np.random.default_rng(seed)
    params = {
        "w": jnp.asarray(rng.standard_normal((DIM, LABELS), np.float32)),
        "b": jnp.asarray(rng.standard_normal(LABELS, np.float32)),
    }
    return init_state(Variables(params, {"calls": jnp.int32(0)}), rates)


def make_run(batch: Callable = random_batch, apply: Callable = apply_linear) -> Callable:
    compiled = jax.jit(
        lambda state, stop, key, rates: train_until(
            state, stop, key, Update(batch, sequence_loss(apply, rates), rates)
        )
    )
    return lambda state, stop, rates: compiled(state, jnp.int32(stop), KEY, rates)


RUN = make_run()


def as_bytes(state: Any) -> list[tuple[str, bytes]]:
    return [
        (jax.tree_util.keystr(path), np.asarray(leaf).tobytes())
        for path, leaf in jax.tree_util.tree_leaves_with_path(state)
    ]


# The optimiser.


@pytest.mark.parametrize(("peak", "warmup"), [(3e-4, 4000), (1e-3, 1000), (0.5, 1)])
def test_the_rate_rises_to_its_peak_then_falls_as_an_inverse_square_root(peak, warmup):
    rates = make_rates(learning_rate=peak, warmup_steps=warmup)
    for t in (1, 2, warmup // 2, warmup, warmup + 1, 4 * warmup, 100 * warmup):
        if t >= 1:
            expected = min(peak * t / warmup, peak * math.sqrt(warmup / t))
            assert float(learning_rate_at(jnp.int32(t - 1), rates)) == pytest.approx(expected)
    assert float(learning_rate_at(jnp.int32(warmup - 1), rates)) == pytest.approx(peak)
    assert float(learning_rate_at(jnp.int32(4 * warmup - 1), rates)) == pytest.approx(peak / 2)


def loss_and_gradient(params: dict, sequence: Sequence) -> tuple[float, dict]:
    x = np.asarray(sequence.exemplars[:, -1], np.float64)
    labels = np.asarray(sequence.labels[:, -1])
    logits = x @ params["w"] + params["b"]
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(BATCH), labels]).mean()
    error = (p - np.eye(LABELS)[labels]) / BATCH
    return loss, {"w": x.T @ error, "b": error.sum(axis=0)}


def numpy_adam(params: dict, num_steps: int, rates: Rates) -> tuple[dict, list[float]]:
    """Kingma and Ba 2015, with decoupled decay and a bound on the global norm of the gradient."""
    peak, warmup, decay, clip, b1, b2 = (float(rate) for rate in rates[:6])
    params = {name: np.asarray(value, np.float64) for name, value in params.items()}
    m = {name: np.zeros_like(value) for name, value in params.items()}
    v = {name: np.zeros_like(value) for name, value in params.items()}
    losses = []
    for t in range(1, num_steps + 1):
        sequence = random_batch(jax.random.fold_in(KEY, t - 1))
        loss, gradient = loss_and_gradient(params, sequence)
        losses.append(loss)
        norm = math.sqrt(sum((g**2).sum() for g in gradient.values()))
        rate = min(peak * t / warmup, peak * math.sqrt(warmup / t))
        for name, g in gradient.items():
            g = g * min(1.0, clip / norm)
            m[name] = b1 * m[name] + (1 - b1) * g
            v[name] = b2 * v[name] + (1 - b2) * g**2
            step = m[name] / (1 - b1**t) / (np.sqrt(v[name] / (1 - b2**t)) + 1e-8)
            params[name] = params[name] - rate * (step + decay * params[name])
    return params, losses


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"weight_decay": 0.3},
        {"clip_norm": 0.2},
        {"adam_b1": 0.5, "adam_b2": 0.9, "warmup_steps": 1.0},
        {"weight_decay": 0.1, "clip_norm": 0.5, "adam_b1": 0.0},
    ],
)
def test_updates_are_adams(changes):
    rates, num_steps = make_rates(**changes), 7
    start = make_state(rates)
    state = RUN(start, num_steps, rates)
    expected, losses = numpy_adam(start.variables.params, num_steps, rates)
    for name, value in expected.items():
        np.testing.assert_allclose(state.variables.params[name], value, rtol=1e-4, atol=1e-5)
    assert int(state.step) == int(state.loss_count) == num_steps
    assert float(state.loss_sum) == pytest.approx(sum(losses), rel=1e-5)
    assert int(state.variables.state["calls"]) == num_steps


def test_weight_decay_shrinks_weights_by_rate_times_decay_and_nothing_else():
    def apply(variables, sequence, training):
        return jnp.zeros((BATCH, 1, LABELS)), {"state": variables.state}

    run, rates = make_run(apply=apply), make_rates(weight_decay=0.5)
    start = make_state(rates)
    state = run(start, 5, rates)
    factor = math.prod(1 - 0.5 * 0.1 * min(t / 3, math.sqrt(3 / t)) for t in range(1, 6))
    for name, value in start.variables.params.items():
        np.testing.assert_allclose(state.variables.params[name], value * factor, rtol=1e-5)
    rates = make_rates()
    start = make_state(rates)
    assert as_bytes(run(start, 5, rates).variables) == as_bytes(start.variables)


def test_each_weight_has_the_decay_of_the_longest_pattern_that_its_path_fits():
    def apply(variables, sequence, training):
        return jnp.zeros((BATCH, 1, LABELS)), {"state": variables.state}

    decays = {"*": 0.5, "block?/mixer/*": 0.0, "block1/*/kernel": 0.2}
    rates = make_rates(learning_rate=1.0, warmup_steps=1.0)._replace(
        weight_decay_of={pattern: jnp.float32(decay) for pattern, decay in decays.items()}
    )
    block = {"mixer": {"kernel": jnp.ones(3), "bias": jnp.ones(2)}, "norm": jnp.ones(2)}
    params = {"block0": block, "block1": block, "head": jnp.ones(4)}
    start = init_state(Variables(params, {}), rates)
    after = make_run(fixed_batch, apply)(start, 1, rates).variables.params
    expected = {
        "block0": {"mixer": {"kernel": 1.0, "bias": 1.0}, "norm": 0.5},
        "block1": {"mixer": {"kernel": 0.8, "bias": 1.0}, "norm": 0.5},
        "head": 0.5,
    }
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), after, expected)


@pytest.mark.parametrize(("momentum", "weight_decay"), [(0.0, 0.0), (0.9, 0.0), (0.5, 0.3)])
def test_updates_are_those_of_gradient_descent(momentum, weight_decay):
    rates = make_rates(weight_decay=weight_decay)._replace(
        momentum=jnp.float32(momentum), is_constant=jnp.bool_(True)
    )
    start = make_state(rates)
    state = RUN(start, 7, rates)
    params = {name: np.asarray(v, np.float64) for name, v in start.variables.params.items()}
    velocity = {name: np.zeros_like(v) for name, v in params.items()}
    for t in range(7):
        _, gradient = loss_and_gradient(params, random_batch(jax.random.fold_in(KEY, t)))
        rate = 0.1 * min(1, (t + 1) / 3)
        for name, g in gradient.items():
            velocity[name] = momentum * velocity[name] + g
            params[name] -= rate * (velocity[name] + weight_decay * params[name])
    for name, value in params.items():
        np.testing.assert_allclose(state.variables.params[name], value, rtol=1e-4, atol=1e-5)


def test_the_rate_stays_at_its_peak_if_asked_to():
    rates = make_rates(learning_rate=0.2, warmup_steps=4)._replace(is_constant=jnp.bool_(True))
    values = [float(learning_rate_at(jnp.int32(count), rates)) for count in (0, 1, 3, 4, 10**6)]
    np.testing.assert_allclose(values, [0.05, 0.1, 0.2, 0.2, 0.2], rtol=1e-6)


def test_interim_losses_are_those_of_the_contexts_labels_from_their_items():
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((2, 7, LABELS)).astype(np.float32)
    labels = rng.integers(LABELS, size=(2, 4))
    expected = np.zeros(2)
    for sequence in range(2):
        for item in range(3):
            scores = logits[sequence, 2 * item].astype(np.float64)
            expected[sequence] -= (
                scores[labels[sequence, item]] - np.log(np.exp(scores).sum())
            ) / 3
    np.testing.assert_allclose(
        interim_loss(jnp.asarray(logits), jnp.asarray(labels)), expected, rtol=1e-5
    )


def test_interim_losses_have_their_weight_and_the_query_the_rest():
    rng = np.random.default_rng(0)
    logits = jnp.asarray(rng.standard_normal((BATCH, 2 * ITEMS - 1, LABELS)), jnp.float32)

    def apply(variables, sequence, training, query_only=True):
        out = logits * variables.params["w"]
        return (out[:, -1:] if query_only else out), {"state": variables.state}

    run, labels = make_run(fixed_batch, apply), fixed_batch(KEY).labels
    losses = []
    for weight in (None, 0.25):
        rates = make_rates(learning_rate=0.0)
        if weight is not None:
            rates = rates._replace(interim_weight=jnp.float32(weight))
        start = init_state(Variables({"w": jnp.ones(())}, {}), rates)
        losses.append(float(run(start, 1, rates).loss_sum))
    query, interim = query_loss(logits[:, -1:], labels).mean(), interim_loss(logits, labels).mean()
    np.testing.assert_allclose(losses, [query, 0.75 * query + 0.25 * interim], rtol=1e-5)


@pytest.mark.parametrize("clip_norm", [0.01, 0.3, 1e6, math.inf])
def test_clipping_bounds_the_global_norm_of_the_gradient(clip_norm):
    """Adam's first moment after one step is the clipped gradient times 1 - b1."""
    rates = make_rates(clip_norm=clip_norm)
    start = make_state(rates)
    _, gradient = loss_and_gradient(
        start.variables.params, random_batch(jax.random.fold_in(KEY, 0))
    )
    norm = math.sqrt(sum((g**2).sum() for g in gradient.values()))
    assert 0.3 < norm < 1e6, "the test's bounds are to lie on either side"
    moment = optax.tree_utils.tree_get(RUN(start, 1, rates).optimizer, "mu")
    assert float(optax.tree.norm(moment)) / 0.1 == pytest.approx(min(norm, clip_norm), rel=1e-4)
    for name, g in gradient.items():
        expected = 0.1 * g * min(1, clip_norm / norm)
        np.testing.assert_allclose(moment[name], expected, rtol=1e-3, atol=1e-7)


def test_the_loss_is_the_cross_entropy_of_the_querys_label():
    logits = jnp.log(jnp.array([[[0.1, 0.2, 0.7]], [[0.5, 0.25, 0.25]]]))
    labels = jnp.array([[1, 1, 2], [2, 2, 0]])
    np.testing.assert_allclose(query_loss(logits, labels), -np.log([0.7, 0.5]), rtol=1e-6)


# Keys and chunks.


def test_step_t_draws_its_batch_with_the_runs_key_folded_with_t():
    num_steps = 6

    def batch(key, step=None):
        data = jax.random.key_data(key).astype(jnp.uint32)
        # As exemplars are floats, the key travels in 16-bit halves.
        halves = jnp.stack([data >> 16, data & 0xFFFF]).astype(jnp.float32)
        return Sequence(halves.reshape(1, 1, 4), jnp.zeros((1, 1), jnp.int32))

    def apply(variables, sequence, training):
        seen, count = variables.state["seen"], variables.state["count"]
        state = {"seen": seen.at[count].set(sequence.exemplars[0, 0]), "count": count + 1}
        return variables.params["w"] * jnp.ones((1, 1, 2)), {"state": state}

    rates = make_rates()
    empty = {"seen": jnp.zeros((num_steps, 4)), "count": jnp.int32(0)}
    state = init_state(Variables({"w": jnp.ones(())}, empty), rates)
    run = make_run(batch, apply)
    state = run(run(state, 2, rates), num_steps, rates)
    for t in range(num_steps):
        expected = batch(jax.random.fold_in(KEY, t)).exemplars[0, 0]
        np.testing.assert_array_equal(state.variables.state["seen"][t], expected)


def test_any_stop_and_any_rates_share_one_compilation():
    traces = []

    def batch(key, step=None):
        traces.append(key)
        return random_batch(key)

    run, rates = make_run(batch), make_rates()
    state = run(make_state(rates), 1, rates)
    first = len(traces)
    assert first >= 1
    for stop in (2, 5, 5, 40):
        state = run(state, stop, rates)
        assert int(state.step) == stop
    run(state, 41, make_rates(learning_rate=1.0, weight_decay=0.1, clip_norm=1.0))
    assert len(traces) == first


@given(st.lists(st.integers(0, 20), max_size=6))
@settings(max_examples=30, deadline=None)
def test_however_a_run_is_cut_its_bits_are_the_same(stops):
    rates = make_rates(weight_decay=0.01, clip_norm=1.0)
    state = make_state(rates)
    for stop in sorted(stops):
        state = RUN(state, stop, rates)
        assert int(state.step) == stop
    assert as_bytes(RUN(state, 20, rates)) == as_bytes(RUN(make_state(rates), 20, rates))


def test_a_stop_already_reached_changes_nothing():
    rates = make_rates()
    state = RUN(make_state(rates), 5, rates)
    for stop in (0, 4, 5):
        assert as_bytes(RUN(state, stop, rates)) == as_bytes(state)


def test_steps_one_by_one_are_the_loop():
    rates = make_rates()
    step = jax.jit(
        lambda s, r: train_step(s, KEY, Update(random_batch, sequence_loss(apply_linear, r), r))
    )
    state = make_state(rates)
    for _ in range(4):
        state = step(state, rates)
    whole = RUN(make_state(rates), 4, rates)
    for a, b in zip(jax.tree.leaves(state), jax.tree.leaves(whole), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_the_sums_of_the_loss_start_again_where_they_are_set_to_zero():
    rates = make_rates()
    _, losses = numpy_adam(make_state(rates).variables.params, 9, rates)
    state = RUN(make_state(rates), 4, rates)
    state = state._replace(
        loss_sum=jnp.zeros_like(state.loss_sum), loss_count=jnp.zeros_like(state.loss_count)
    )
    state = RUN(state, 9, rates)
    assert int(state.loss_count) == 5
    assert float(state.loss_sum) == pytest.approx(sum(losses[4:]), rel=1e-5)


def test_a_chunk_moves_nothing_between_host_and_device():
    rates = make_rates()
    compiled = jax.jit(
        lambda s, stop, r: train_until(
            s, stop, KEY, Update(random_batch, sequence_loss(apply_linear, r), r)
        )
    )
    state, stop = compiled(make_state(rates), jnp.int32(1), rates), jnp.int32(8)
    with jax.transfer_guard("disallow"):
        state = jax.block_until_ready(compiled(state, stop, rates))
        with pytest.raises(Exception, match=r"[Dd]isallowed"):  # the guard is on
            compiled(state, np.int32(9), rates)
    assert int(state.step) == 8


# Divergence.

BAD = 3  # updates made before the bad step


def spoiled(how: str, bad: int) -> Callable:
    def apply(variables, sequence, training):
        logits, aux = apply_linear(variables, sequence, training)
        is_bad = variables.state["calls"] == bad
        if how == "loss is nan":
            logits = logits + jnp.where(is_bad, jnp.nan, 0.0)
        elif how == "loss is infinite":
            label = jax.nn.one_hot(sequence.labels[:, -1:], LABELS, dtype=bool)
            logits = jnp.where(is_bad & label, -jnp.inf, logits)
        else:  # the root of 0 * w at zero: the value is finite, the gradient is not
            offset = jnp.where(is_bad, 0.0, 1.0)
            logits = logits + jnp.sqrt(offset + 0 * variables.params["w"].sum()) - offset
        return logits, aux

    return apply


@pytest.mark.parametrize("how", ["loss is nan", "loss is infinite", "gradient is nan"])
def test_the_state_stops_at_the_last_good_step(how):
    rates = make_rates()
    run = make_run(apply=spoiled(how, BAD))
    good = run(make_state(rates), BAD, rates)
    assert int(good.step) == BAD
    assert int(good.bad_step) == 0
    for stop in (BAD + 1, 20):
        state = run(make_state(rates), stop, rates)
        assert int(state.bad_step) == BAD + 1
        assert as_bytes(state._replace(bad_step=good.bad_step)) == as_bytes(good)
        again = run(state, 30, rates)
        assert as_bytes(again) == as_bytes(state)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state))


def test_the_very_first_step_can_be_bad():
    rates = make_rates()
    start = make_state(rates)
    state = make_run(apply=spoiled("loss is nan", 0))(start, 5, rates)
    assert int(state.bad_step) == 1
    assert as_bytes(state._replace(bad_step=start.bad_step)) == as_bytes(start)


# All together.


def test_a_small_transformer_learns_one_batch_by_heart():
    rng = np.random.default_rng(0)
    images = rng.random((8, 4, 5, 5), np.float32)
    labels = rng.integers(6, size=(8, 4), dtype=np.int32)
    config = TransformerConfig(num_layers=1, width=16, num_heads=2, embedder=LinearEmbedder())
    network = make_network(config, 6, images.reshape(32, 5, 5), 6)
    rates = make_rates(learning_rate=0.01, warmup_steps=20)
    state = init_state(jax.jit(network.init)(jax.random.key(0)), rates)
    batch = Sequence(jnp.asarray(images), jnp.asarray(labels))
    run = make_run(lambda key, step: batch, network.apply)
    first = run(state, 1, rates)
    assert float(first.loss_sum) > 1
    before = run(first, 199, rates)
    last = run(before, 200, rates)
    assert float(last.loss_sum - before.loss_sum) < 0.1
    assert int(last.bad_step) == 0
