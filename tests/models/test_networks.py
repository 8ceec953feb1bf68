"""Every network with every embedder: causal, the same in every mode, and the papers' numbers."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from icl.config.embedders import ResNetEmbedder
from icl.config.networks import TransformerConfig
from icl.models.layers import LINEAR_INIT, rotate, sinusoidal_positions
from icl.models.network import make_network
from icl.types import Sequence

from . import numpy_transformer
from .cases import (
    BATCH,
    CASES,
    CONTEXT,
    ITEMS,
    NUM_CLASSES,
    NUM_LABELS,
    TOKENS,
    VARIANTS,
    Case,
    assert_trees_close,
    assert_trees_equal,
    every_network,
    make_case,
    make_examples,
    make_sequence,
    moved,
)

# What a token may see.


@pytest.mark.parametrize(
    ("kind", "embedder"), [c for c in CASES if c[1] in ("linear", "conv", "resnet")]
)
def test_by_gradient_a_token_sees_all_items_up_to_itself_and_none_after(kind, embedder):
    case = make_case(kind, embedder)
    sequence = make_sequence(embedder, batch=1)
    weights = np.random.default_rng(3).standard_normal(NUM_LABELS).astype(np.float32)

    @jax.jit
    @jax.grad
    def gradient(exemplars, token):
        logits, _ = case.network.apply(
            case.variables, Sequence(exemplars, sequence.labels), query_only=False
        )
        return logits[0, token] @ weights

    gradients = [gradient(sequence.exemplars, token)[0] for token in range(TOKENS)]
    influence = np.abs(gradients).max(axis=(2, 3))
    assert influence.shape == (TOKENS, ITEMS)
    sees = np.arange(TOKENS)[:, None] >= 2 * np.arange(ITEMS)
    assert (influence[~sees] == 0).all()
    assert (influence[sees] > 0).all()


@every_network
def test_an_item_enters_at_its_own_token_and_not_before(kind, embedder):
    case = make_case(kind, embedder)
    sequence = make_sequence(embedder)
    item = np.arange(ITEMS)
    # Another symbol; another brightness.
    other = (sequence.exemplars[item, item] + 1) % NUM_CLASSES
    changed = sequence._replace(exemplars=sequence.exemplars.at[item, item].set(other))
    before, after = case.full(case.variables, sequence)[0], case.full(case.variables, changed)[0]
    same = np.asarray(before == after).all(axis=-1)
    for i in range(ITEMS):
        assert same[i, : 2 * i].all()
        assert not same[i, 2 * i :].any()


@every_network
def test_a_label_enters_at_its_own_token_and_not_before(kind, embedder):
    case = make_case(kind, embedder)
    sequence = make_sequence(embedder)
    item = np.arange(CONTEXT)
    changed = sequence._replace(
        labels=sequence.labels.at[item, item].set((sequence.labels[item, item] + 1) % NUM_LABELS)
    )
    before, after = case.full(case.variables, sequence)[0], case.full(case.variables, changed)[0]
    same = np.asarray(before == after).all(axis=-1)
    for i in range(CONTEXT):
        assert same[i, : 2 * i + 1].all()
        assert not same[i, 2 * i + 1 :].any()


@every_network
@pytest.mark.parametrize("mode", ["full", "query", "train"])
def test_the_label_of_the_query_never_enters(kind, embedder, mode):
    case = make_case(kind, embedder)
    sequence = make_sequence(embedder)
    changed = sequence._replace(
        labels=sequence.labels.at[:, -1].set((sequence.labels[:, -1] + 1) % NUM_LABELS)
    )
    answer = getattr(case, mode)
    assert_trees_equal(answer(case.variables, sequence), answer(case.variables, changed))


# One computation in several forms.


@every_network
def test_the_query_alone_is_the_last_of_all_tokens(kind, embedder):
    case = make_case(kind, embedder)
    sequence = make_sequence(embedder)
    full, full_aux = case.full(case.variables, sequence)
    query, query_aux = case.query(case.variables, sequence)
    assert full.shape == (BATCH, TOKENS, NUM_LABELS)
    assert query.shape == (BATCH, 1, NUM_LABELS)
    np.testing.assert_allclose(query, full[:, -1:], rtol=1e-5, atol=1e-5)
    assert query_aux.keys() == full_aux.keys()


@every_network
def test_a_batch_is_its_sequences_one_by_one(kind, embedder):
    case = make_case(kind, embedder)
    sequence = make_sequence(embedder)
    together = case.query(case.variables, sequence)
    for i in range(BATCH):  # a batch of one sequence alone, again and again
        same = jax.tree.map(lambda a, i=i: jnp.repeat(a[i : i + 1], BATCH, axis=0), sequence)
        alone = case.query(case.variables, same)
        assert_trees_close(*(jax.tree.map(lambda a, i=i: a[i], out) for out in (alone, together)))


@every_network
def test_training_mode_hands_on_a_state_of_the_same_structure(kind, embedder):
    case = make_case(kind, embedder)
    sequence = make_sequence(embedder)
    trained, aux = case.train(case.variables, sequence)
    evaluated, evaluated_aux = case.query(case.variables, sequence)
    assert set(aux) == set(evaluated_aux) | {"state"}
    state = case.variables.state
    assert jax.tree.structure(aux["state"]) == jax.tree.structure(state)
    for a, b in zip(jax.tree.leaves(aux["state"]), jax.tree.leaves(state), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
    if embedder != "resnet":  # no batch norm
        assert_trees_equal(aux["state"], state)
        np.testing.assert_allclose(trained, evaluated, rtol=1e-5, atol=1e-5)


# Intermediates.


@every_network
def test_attention_patterns_are_causal_and_sum_to_one(kind, embedder):
    case = make_case(kind, embedder)
    sequence = make_sequence(embedder)
    full, query = case.full(case.variables, sequence)[1], case.query(case.variables, sequence)[1]
    for name in (name for name in full if name.endswith("/attention")):
        pattern = np.asarray(full[name])
        assert pattern.shape[0] == BATCH
        assert pattern.shape[2:] == (TOKENS, TOKENS)
        np.testing.assert_allclose(pattern.sum(axis=-1), 1, rtol=1e-5)
        assert (pattern[..., ~np.tri(TOKENS, dtype=bool)] == 0).all()
        assert (pattern[..., np.tri(TOKENS, dtype=bool)] > 0).all()
        num_out = query[name].shape[2]
        np.testing.assert_allclose(query[name], pattern[:, :, -num_out:], rtol=1e-5, atol=1e-6)


# Initialisation.


@pytest.mark.parametrize("kind", ["transformer", "lstm", "mamba", "hyena"])
def test_init_is_the_same_compiled_for_one_key_or_run_eagerly_for_several(kind):
    case = make_case(kind, "linear")
    keys = jax.random.split(jax.random.key(7), 3)
    eager = jax.vmap(case.network.init)(keys)
    compiled = jax.tree.map(lambda *leaves: np.stack(leaves), *map(case.init, keys))
    assert_trees_close(eager, compiled, rtol=1e-6, atol=1e-7)


# What is not drawn: the scales of norms; of Mamba, the logarithms of 1, 2, ... and a share of 1.
STARTS = {"scale": 1, "A_log": np.float32(np.log([1, 2, 3, 4])), "D": 1}


@every_network
def test_the_key_is_all_the_randomness_and_every_weight_has_its_own(kind, embedder):
    case = make_case(kind, embedder)
    first, again, other = (case.init(jax.random.key(seed)).params for seed in (0, 0, 1))
    assert_trees_equal(first, again)
    drawn = []
    for (path, a), b in zip(
        jax.tree_util.tree_leaves_with_path(first), jax.tree.leaves(other), strict=True
    ):
        if path[-1].key in ("kernel", "embedding", "dt_bias"):
            assert (a != b).all(), path
            drawn.append(np.asarray(a).ravel())
        else:  # biases, and those named
            assert (a == STARTS.get(path[-1].key, 0)).all(), path
    for a, b in itertools.combinations(drawn, 2):
        size = min(a.size, b.size)
        assert abs(np.corrcoef(a[:size], b[:size])[0, 1]) < max(0.5, 6 / math.sqrt(size))


def test_linear_maps_start_with_variance_one_over_fan_in_cut_at_two_deviations():
    fan_in = 3 * 3 * 40
    for shape in ((fan_in, 500), (3, 3, 40, 500)):
        kernel = np.asarray(LINEAR_INIT(jax.random.key(0), shape, jnp.float32)).ravel()
        kernel = kernel * math.sqrt(fan_in)
        assert abs(kernel.mean()) < 5 / math.sqrt(kernel.size)
        assert kernel.std() == pytest.approx(1, rel=0.01)
        # A standard normal cut at +-2 has standard deviation 0.8796.
        assert 0.99 * 2 / 0.87963 < np.abs(kernel).max() <= 1.0001 * 2 / 0.87963


def test_the_weights_of_a_network_start_as_in_chan_et_al():
    params = make_case("transformer", "resnet").init(jax.random.key(0)).params
    table = np.asarray(params["label_table"].pop("embedding"))
    assert table.std() == pytest.approx(0.02 * 0.8796, rel=0.1)
    assert np.abs(table).max() <= 0.04
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        if path[-1].key == "kernel":
            deviation = np.asarray(leaf).std() * math.sqrt(leaf[..., 0].size)
            assert deviation == pytest.approx(1, abs=4 / math.sqrt(2 * leaf.size)), path


# Numbers of the papers.


def test_the_network_of_chan_et_al_2022_has_their_number_of_parameters():
    config = TransformerConfig(num_layers=12, width=64, num_heads=8, embedder=ResNetEmbedder())
    network = make_network(config, 1623, make_examples("resnet"), 1623)
    params = jax.eval_shape(network.init, jax.random.key(0)).params
    sizes = {
        name: sum(leaf.size for leaf in jax.tree.leaves(part)) for name, part in params.items()
    }
    encoder = sizes["embedder"] + sizes["label_table"]
    assert sizes["embedder"] == 22_176
    assert encoder == 126_048
    assert sum(sizes.values()) - encoder == 705_431
    assert sum(sizes.values()) == 831_479


@pytest.mark.parametrize(("num_tokens", "width", "max_time"), [(17, 64, 30.0), (5, 2, 10000.0)])
def test_positions_are_sines_then_cosines(num_tokens, width, max_time):
    np.testing.assert_allclose(
        sinusoidal_positions(num_tokens, width, max_time),
        numpy_transformer.positions(num_tokens, width, max_time),
        atol=1e-5,
    )


@pytest.mark.parametrize("embedder", numpy_transformer.EMBED)
def test_the_transformer_is_the_one_written_in_numpy(embedder):
    assert_same_as_in_numpy(make_case("transformer", embedder), embedder)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_is_the_one_written_in_numpy(variant):
    assert_same_as_in_numpy(make_case("transformer", "linear", variant), "linear")


@pytest.mark.parametrize("variant", VARIANTS)
def test_of_every_variant_the_query_alone_is_the_last_of_all_tokens(variant):
    case, sequence = make_case("transformer", "linear", variant), make_sequence("linear")
    full, query = (answer(case.variables, sequence)[0] for answer in (case.full, case.query))
    np.testing.assert_allclose(query, full[:, -1:], rtol=1e-5, atol=1e-5)


def assert_same_as_in_numpy(case: Case, embedder: str) -> None:
    config, sequence = case.config, make_sequence(embedder)
    # Far from the start; without norms, not so far that rounding is drowned in large scores.
    variables = moved(case.variables, scale=0.3 if config.norm == "pre" else 0.1)
    logits, aux = case.full(variables, sequence)
    params, state = jax.tree.map(lambda a: np.asarray(a, np.float64), variables)
    for i in range(BATCH):
        embedded = numpy_transformer.EMBED[embedder](
            np.asarray(sequence.exemplars[i]),
            params["embedder"],
            state.get("embedder", {}),
        )
        tokens = logits.shape[1]
        room = config.positions.size - tokens + 1 if config.positions.kind == "shifted" else 1
        expected, patterns = numpy_transformer.transformer(
            params,
            state,
            config,
            embedded,
            sequence.labels[i, :-1],
            int(sequence.bits[i]) % room,
        )
        # Without norms logits may be large, and are rounded by their size.
        atol = 1e-5 * max(10.0, np.abs(expected).max())
        np.testing.assert_allclose(logits[i], expected, rtol=1e-5, atol=atol)
        for layer, pattern in enumerate(patterns):
            np.testing.assert_allclose(aux[f"block{layer}/attention"][i], pattern, atol=1e-5)


def test_shifted_positions_begin_anywhere_where_there_is_room():
    case, sequence = (
        make_case("transformer", "linear", "shifted positions"),
        make_sequence("linear"),
    )
    same = jax.tree.map(lambda a: jnp.repeat(a[:1], 4, axis=0), sequence)
    logits = [
        case.query(case.variables, same._replace(bits=jnp.arange(4, dtype=jnp.uint32) + 4 * n))[0]
        for n in range(2)
    ]
    np.testing.assert_array_equal(*logits)  # 10 places, 7 tokens: four beginnings
    differences = np.abs(logits[0][:, None] - logits[0][None]).max(axis=(2, 3))
    assert (differences[~np.eye(4, dtype=bool)] > 1e-3).all()


def test_rotary_positions_tell_distances_and_nothing_else():
    rng = np.random.default_rng(0)
    q, k = (jnp.asarray(rng.standard_normal((1, 9, 2, 8)), jnp.float32) for _ in range(2))
    same = [jnp.repeat(a[:, :1], 9, axis=1) for a in (q, k)]  # one vector at all places
    scores = jnp.einsum("bqhd,bkhd->hqk", *(rotate(a, 100.0) for a in same))
    for head in np.asarray(scores):
        for distance in range(-8, 9):
            diagonal = np.diagonal(head, distance)
            np.testing.assert_allclose(diagonal, diagonal[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        jnp.linalg.norm(rotate(q, 100.0), axis=-1), jnp.linalg.norm(q, axis=-1), rtol=1e-5
    )


def test_fixed_and_one_hot_labels_are_not_trained():
    for variant, expected in (("fixed labels", None), ("one-hot labels", np.eye(NUM_LABELS, 16))):
        case = make_case("transformer", "linear", variant)
        table = case.variables.state["label_table"]["embedding"]
        assert "label_table" not in case.variables.params
        if expected is None:
            assert np.asarray(table).std() == pytest.approx(0.4, rel=0.3)
        else:
            np.testing.assert_array_equal(table, expected)


def test_in_bfloat16_answers_agree_and_parameters_stay_float32():
    case = make_case("transformer", "conv")
    config = case.config.model_copy(update={"compute_dtype": "bfloat16"})
    low = make_network(config, NUM_LABELS, make_examples("conv"), NUM_CLASSES)
    variables = low.init(jax.random.key(0))
    assert {leaf.dtype for leaf in jax.tree.leaves(variables.params)} == {jnp.dtype("float32")}
    sequence = make_sequence("conv")
    expected = np.asarray(case.full(case.variables, sequence)[0])
    logits, aux = jax.jit(lambda v, s: low.apply(v, s, query_only=False))(case.variables, sequence)
    assert logits.dtype == aux["block0/out"].dtype == jnp.float32
    error = np.abs(np.asarray(logits) - expected)
    # bfloat16 has 8 bits: 2 ** -8 for each of a few products in a row.
    assert 1e-4 < error.max() < 0.05 * np.abs(expected).max()
