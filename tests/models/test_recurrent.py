"""Recurrent cells: those written in NumPy, forward and backward, and the numbers of the papers."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from pydantic import TypeAdapter

from icl.config.networks import Model
from icl.models.layers import Layers
from icl.models.matrices import with_matrices
from icl.models.mixers.find import find_mixer
from icl.models.network import make_network
from icl.models.sites import Sites
from icl.training.losses import query_loss
from icl.types import Sequence, Variables

from . import numpy_recurrent

BATCH, WIDTH = 2, 6
CASES: dict[str, dict[str, Any]] = {
    "rnn": {"kind": "rnn"},
    "rnn of tanh": {"kind": "rnn", "activation": "tanh"},
    "gru": {"kind": "gru"},
    "lstm": {"kind": "lstm"},
    "lstm of another forget bias": {"kind": "lstm", "forget_bias": -0.5},
    "ctrnn": {"kind": "ctrnn"},
    "ctrnn without leak": {"kind": "ctrnn", "leak": 1.0},
}
every_case = pytest.mark.parametrize("name", CASES)
every_kind = pytest.mark.parametrize("name", [name for name in CASES if " " not in name])


class PlainMixer:
    """A mixer as a function of plain parameters."""

    def __init__(self, name: str, width: int = WIDTH, dtype: Any = jnp.float32):
        self.config: Any = TypeAdapter(Model).validate_python(CASES[name] | {"width": width})
        mixer = find_mixer(self.config.kind)(self.config, Layers(nnx.Rngs(0), dtype))
        self.fused = getattr(mixer, "FUSED", {})
        self.graph, self.state = nnx.split(mixer)
        self.params: Any = nnx.to_pure_dict(self.state)

    def __call__(
        self, params: Any, x: Any, query_only: bool = False, is_training: bool = False
    ) -> jax.Array:
        state = nnx.State(self.state)
        nnx.replace_by_pure_dict(state, params)
        mixer = nnx.merge(self.graph, state)
        mixer.is_training = is_training
        sites = Sites()
        out = mixer(x, query_only, sites)
        assert sites.notes.keys() == {"hidden"}
        assert sites.notes["hidden"] is out
        return out

    def in_numpy(self, params: Any, x: np.ndarray) -> np.ndarray:
        cell = numpy_recurrent.CELLS[self.config.kind]
        return np.array([cell(sequence, params, self.config) for sequence in x])

    def far_from_the_start(self) -> Any:
        """No bias is zero, and no weight in float32."""
        rng = np.random.default_rng(1)
        return jax.tree.map(lambda a: a + 0.1 * rng.standard_normal(a.shape), self.params)


def make_tokens(num_tokens: int, width: int = WIDTH) -> np.ndarray:
    return np.random.default_rng(2).standard_normal((BATCH, num_tokens, width))


# Against NumPy.


def test_every_recurrent_kind_is_tested():
    assert {case["kind"] for case in CASES.values()} == set(numpy_recurrent.CELLS)


@every_case
@pytest.mark.parametrize("num_tokens", [1, 17])
def test_every_cell_is_the_one_written_in_numpy(name, num_tokens):
    with jax.enable_x64(True):
        mixer = PlainMixer(name, dtype=jnp.float64)
        params, x = mixer.far_from_the_start(), make_tokens(num_tokens)
        full, query = jax.jit(lambda p, x: (mixer(p, x), mixer(p, x, query_only=True)))(params, x)
        expected = mixer.in_numpy(params, x)
        assert full.dtype == query.dtype == jnp.float64
        assert full.shape == (BATCH, num_tokens, WIDTH)
        assert query.shape == (BATCH, 1, WIDTH)
        np.testing.assert_allclose(full, expected, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(query, expected[:, -1:], rtol=1e-12, atol=1e-14)


@every_case
def test_in_float32_roundings_do_not_add_up(name):
    mixer = PlainMixer(name)
    params, x = mixer.far_from_the_start(), make_tokens(130)
    full = jax.jit(mixer)(jax.tree.map(jnp.float32, params), jnp.float32(x))
    np.testing.assert_allclose(full, mixer.in_numpy(params, x), rtol=1e-5, atol=1e-6)


@every_case
def test_gradients_are_those_of_numpy_by_finite_differences(name):
    """Along a random direction of each parameter and of the tokens, through both forms."""
    num_tokens, step = 17, 1e-6
    rng = np.random.default_rng(3)
    with jax.enable_x64(True):
        mixer = PlainMixer(name, dtype=jnp.float64)
        inputs = mixer.far_from_the_start(), make_tokens(num_tokens)
        of_full, of_query = (rng.standard_normal((BATCH, n, WIDTH)) for n in (num_tokens, 1))

        @jax.jit
        @jax.grad
        def gradient(inputs):
            full, query = mixer(*inputs), mixer(*inputs, query_only=True)
            return (of_full * full).sum() + (of_query * query).sum()

        def in_numpy(inputs: Any) -> float:
            full = mixer.in_numpy(*inputs)
            return float((of_full * full).sum() + (of_query * full[:, -1:]).sum())

        leaves, structure = jax.tree.flatten(inputs)
        for i, part in enumerate(jax.tree.leaves(gradient(inputs))):
            direction = rng.standard_normal(leaves[i].shape)
            above, below = (
                in_numpy(
                    jax.tree.unflatten(
                        structure, [*leaves[:i], leaves[i] + change * direction, *leaves[i + 1 :]]
                    )
                )
                for change in (step, -step)
            )
            expected = (above - below) / (2 * step)
            assert abs(expected) > 1e-3
            assert float((part * direction).sum()) == pytest.approx(expected, rel=1e-6)


# Training's gradient, which is not the one that JAX derives.


@pytest.mark.parametrize(("name", "num_tokens"), [*((name, 17) for name in CASES), ("lstm", 1)])
def test_the_gradient_in_training_is_the_derived_one_for_every_run_of_a_group(name, num_tokens):
    mixer = PlainMixer(name)
    params = jax.tree.map(
        lambda a: jnp.float32(jnp.stack([a, 0.5 * a])), mixer.far_from_the_start()
    )
    x = jnp.float32(make_tokens(num_tokens))
    for (own, own_hidden), (derived, hidden) in gradients(mixer, params, x, (False, True)):
        np.testing.assert_array_equal(own_hidden, hidden)
        sizes = [np.abs(leaf).max() for leaf in jax.tree.leaves(derived)]
        assert num_tokens == 1 or min(sizes) > 1e-3
        for a, b in zip(jax.tree.leaves(own), jax.tree.leaves(derived), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5 * np.abs(b).max(), rtol=0)


@every_kind
def test_the_gradient_in_training_is_the_derived_one_but_for_roundings_in_bfloat16(name):
    mixer = PlainMixer(name, 64, jnp.bfloat16)
    params = jax.tree.map(lambda a: jnp.float32(a[None]), mixer.far_from_the_start())
    [((own, _), (derived, _))] = gradients(
        mixer, params, jnp.float32(make_tokens(17, 64)), (False,)
    )
    for a, b in zip(jax.tree.leaves(own), jax.tree.leaves(derived), strict=True):
        assert a.dtype == b.dtype == jnp.float32
        assert np.linalg.norm(a - b) < 0.03 * np.linalg.norm(b)


def gradients(mixer: PlainMixer, params: Any, x: jax.Array, modes: tuple[bool, ...]) -> Any:
    """Compute gradients of a stack of parameters and their tokens, by mode: all tokens or the last.

    Each is a pair: training's gradient and the derived one, each with its states.
    """

    def loss(inputs: Any, query_only: bool, is_training: bool) -> tuple[jax.Array, jax.Array]:
        params, x = inputs
        hidden = mixer(params, x, query_only, is_training)
        return (hidden * jnp.cos(jnp.arange(hidden.size)).reshape(hidden.shape)).sum(), hidden

    def of_group(query_only: bool, is_training: bool) -> Any:
        gradient = jax.grad(lambda inputs: loss(inputs, query_only, is_training), has_aux=True)
        return jax.vmap(lambda params: gradient((params, x)))(params)

    return jax.jit(lambda: [(of_group(mode, True), of_group(mode, False)) for mode in modes])()


def test_outside_training_derivatives_can_be_taken_forward():
    mixer = PlainMixer("lstm")
    x = jnp.float32(make_tokens(3))
    forward, backward = (
        take(lambda x: mixer(mixer.params, x).sum((1, 2)))(x) for take in (jax.jacfwd, jax.jacrev)
    )
    np.testing.assert_allclose(forward, backward, atol=1e-6)
    with pytest.raises(TypeError, match="forward-mode"):
        jax.jacfwd(lambda x: mixer(mixer.params, x, is_training=True))(x)


# Gates have the names that experiments know them by.

Gate = tuple[str, str, float]
SHUT: list[Gate] = [
    ("lstm", "input_gate", -1),
    ("lstm", "output_gate", -1),
    ("gru", "update_gate", 1),
]
FORGETTING: list[Gate] = [("lstm", "forget_gate", -1), ("gru", "update_gate", -1)]


def hidden_with(name: str, changed: dict[str, float]) -> np.ndarray:
    """Hidden states after tokens of ones, where named matrices have equal entries."""
    mixer = PlainMixer(name)
    filled = {f"mixer/{k}": jnp.full((WIDTH, WIDTH), value) for k, value in changed.items()}
    params = with_matrices({"mixer": mixer.params}, mixer.fused, filled)["mixer"]
    return np.asarray(mixer(params, jnp.ones((1, 5, WIDTH))))


@pytest.mark.parametrize(("name", "gate", "sign"), SHUT)
def test_a_shut_gate_lets_nothing_in_or_out(name, gate, sign):
    assert np.abs(hidden_with(name, {})).min() > 1e-3
    assert np.abs(hidden_with(name, {f"input/{gate}": 100.0 * sign})).max() < 1e-6


@pytest.mark.parametrize(("name", "gate", "sign"), FORGETTING)
def test_where_all_is_forgotten_equal_tokens_have_equal_answers(name, gate, sign):
    unread = {f"recurrent/{part}": 0.0 for part in find_mixer(name).FUSED["recurrent"]}
    remembered = hidden_with(name, unread)
    forgotten = hidden_with(name, unread | {f"input/{gate}": 100.0 * sign})
    assert np.abs(remembered[:, 1] - remembered[:, 0]).max() > 0.01
    np.testing.assert_allclose(forgotten[:, 1:], forgotten[:, :-1], atol=1e-6)


def test_a_gru_whose_reset_gate_is_shut_makes_candidates_of_the_token_alone():
    other = {"recurrent/candidate": 0.5}
    shut = {"input/reset_gate": -100.0}
    assert np.abs(hidden_with("gru", other) - hidden_with("gru", {})).max() > 0.01
    np.testing.assert_allclose(hidden_with("gru", shut | other), hidden_with("gru", shut))


# Numbers of the papers.


@pytest.mark.parametrize(("kind", "expected"), [("lstm", 501_783), ("rnn", 205_335)])
def test_the_recurrent_networks_of_chan_et_al_2022_have_their_number_of_parameters(kind, expected):
    params = jax.eval_shape(make_stack(kind, 64, 1623, bare=True).init, jax.random.key(0)).params
    sizes = {
        name: sum(leaf.size for leaf in jax.tree.leaves(part)) for name, part in params.items()
    }
    counted = [size for name, size in sizes.items() if name.startswith(("block", "readout"))]
    assert len(counted) == 13
    assert sum(counted) == expected
    assert sizes.keys() == {"embedder", "label_table", "readout", *(f"block{i}" for i in range(12))}


def make_stack(kind: str, width: int, num_labels: int, bare: bool) -> Any:
    """12 layers without MLPs: as in Chan et al. 2022, or with norms and residual connections."""
    settings = {
        "kind": kind,
        "num_layers": 12,
        "width": width,
        "mlp_ratio": 0,
        "norm": "none" if bare else "pre",
        "residual": not bare,
        "embedder": {"kind": "linear"},
    }
    config = TypeAdapter(Model).validate_python(settings)
    return make_network(config, num_labels, np.zeros((2, 4, 4), np.float32), 2)


class Spread(NamedTuple):
    """Standard deviation and largest of initial weights, times sqrt(fan_in)."""

    deviation: float
    largest: float


# A standard normal cut at +-2 has deviation 0.8796; sqrt(1 / 12) is that of a uniform number.
CUT = Spread(0.8796, 2.0)
INITIAL = {
    "rnn": {"input": CUT, "recurrent": CUT},
    # The fan-in is the token and the state.
    "lstm": dict.fromkeys(("input", "recurrent"), Spread(*(x / math.sqrt(2) for x in CUT))),
    "gru": dict.fromkeys(("input", "recurrent"), Spread(*(x / 0.8796 for x in CUT))),
    "ctrnn": {"input": Spread(2 / math.sqrt(12), 1.0), "recurrent": Spread(1.25, math.inf)},
}


@pytest.mark.parametrize("kind", INITIAL)
def test_weights_start_as_in_the_papers_and_biases_at_zero(kind):
    params = PlainMixer(kind, width := 128).params
    for layer, expected in INITIAL[kind].items():
        kernel = params[layer]["kernel"] * math.sqrt(width)
        assert abs(kernel.mean()) < 5 * expected.deviation / math.sqrt(kernel.size)
        assert kernel.std() == pytest.approx(expected.deviation, rel=0.02)
        largest = np.abs(kernel).max()
        assert largest <= 1.001 * expected.largest
        assert largest > 0.97 * min(expected.largest, 3.5 * expected.deviation)
        assert (params[layer].get("bias", np.zeros(1)) == 0).all()


# Depth, and low precision.


def test_norms_and_residual_connections_keep_the_gradient_of_a_deep_stack():
    """The share of the gradient that reaches the first of 12 layers vanishes without them."""
    assert gradient_share(bare=True) < 1e-4
    assert 0.1 < gradient_share(bare=False) < 10


def gradient_share(bare: bool) -> float:
    rng = np.random.default_rng(0)
    sequence = Sequence(
        jnp.asarray(rng.random((4, 5, 4, 4), np.float32)),
        jnp.asarray(rng.integers(7, size=(4, 5), dtype=np.int32)),
    )
    network = make_stack("lstm", 16, 7, bare)
    variables = network.init(jax.random.key(0))

    @jax.jit
    @jax.grad
    def gradient(params):
        logits, _ = network.apply(Variables(params, variables.state), sequence, training=True)
        return query_loss(logits, sequence.labels).mean()

    gradients = gradient(variables.params)
    first, last = (optax.tree.norm(gradients[f"block{i}"]["mixer"]) for i in (0, 11))
    return float(first / last)


@every_kind
def test_in_bfloat16_states_stay_float32_and_roundings_do_not_add_up(name):
    x = jnp.float32(make_tokens(130, width=64))
    exact, low = PlainMixer(name, 64), PlainMixer(name, 64, jnp.bfloat16)
    assert {leaf.dtype for leaf in jax.tree.leaves(low.params)} == {jnp.dtype("float32")}
    expected, hidden = jax.jit(lambda params, x: (exact(params, x), low(params, x)))(low.params, x)
    assert hidden.dtype == jnp.float32
    error = np.abs(hidden - expected).max() / np.abs(expected).max()
    # bfloat16 has 8 bits: a few times 2 ** -8, for the products of a token and of the state.
    assert 1e-4 < error < 5 * 2**-8
