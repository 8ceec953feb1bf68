"""The context of an edit: roles of tokens in the order of the network, and edits bound to it."""

from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from icl.config.networks import NetworkConfig, TransformerConfig
from icl.interventions import Context, bind_edits, make_context
from icl.models.network import make_network
from icl.types import IndexSequence, Sequence

FORMS = ("interleaved", "concatenated")
# Two sequences of three pairs and a query; in the second no pair is of the query's class.
INDICES = IndexSequence(
    classes=np.array([[5, 2, 5, 5], [1, 2, 3, 4]], np.int32),
    exemplars=np.array([[0, 1, 2, 3], [4, 5, 6, 7]], np.int32),
    labels=np.array([[6, 3, 6, 6], [0, 1, 2, 3]], np.int32),
    synonyms=np.ones(2, np.int32),
    family=np.zeros(2, np.int32),
)
SEQUENCE = Sequence(jnp.asarray(INDICES.exemplars), jnp.asarray(INDICES.labels))


def make_case(tokens: str) -> tuple[Any, Any]:
    settings = {"tokens": tokens, "positions": {"kind": "none"}, "embedder": {"kind": "table"}}
    config = TransformerConfig(width=16, num_heads=2, num_layers=2, **settings)
    network = make_network(config, 7, np.zeros(2, np.int32), 8)
    return network, jax.jit(network.init)(jax.random.key(0))


def test_both_forms_of_tokens_are_known():
    assert get_args(NetworkConfig.model_fields["tokens"].annotation) == FORMS


def test_interleaved_tokens_are_items_and_labels_in_turns():
    context = make_context(INDICES, "interleaved")
    for row in (0, 1):
        np.testing.assert_array_equal(context.is_item[row], [1, 0, 1, 0, 1, 0, 1])
        np.testing.assert_array_equal(context.is_label[row], [0, 1, 0, 1, 0, 1, 0])
    np.testing.assert_array_equal(context.classes[0], [5, 5, 2, 2, 5, 5, 5])
    np.testing.assert_array_equal(context.exemplars[1], [4, 4, 5, 5, 6, 6, 7])
    np.testing.assert_array_equal(context.labels[0], [6, 6, 3, 3, 6, 6, 6])
    np.testing.assert_array_equal(
        context.matches_query, [[1, 1, 0, 0, 1, 1, 1], [0, 0, 0, 0, 0, 0, 1]]
    )


def test_concatenated_tokens_are_both_and_the_query_is_an_item():
    context = make_context(INDICES, "concatenated")
    np.testing.assert_array_equal(context.is_item, np.ones((2, 4)))
    np.testing.assert_array_equal(context.is_label, [[1, 1, 1, 0]] * 2)
    np.testing.assert_array_equal(context.classes, INDICES.classes)
    np.testing.assert_array_equal(context.exemplars, INDICES.exemplars)
    np.testing.assert_array_equal(context.labels, INDICES.labels)
    np.testing.assert_array_equal(context.matches_query, [[1, 0, 1, 1], [0, 0, 0, 1]])


@pytest.mark.parametrize("tokens", FORMS)
def test_tokens_are_in_the_order_of_the_network(tokens):
    """What a token shows, as the context says, is what the network has at its place."""
    network, variables = make_case(tokens)
    context = make_context(INDICES, tokens)
    apply = jax.jit(lambda variables: network.apply(variables, SEQUENCE, query_only=False)[1])
    found = apply(variables)["tokens"]
    items = variables.params["embedder"]["table"]["embedding"][context.exemplars]
    labels = variables.params["label_table"]["embedding"][context.labels]
    items, labels = items * context.is_item[..., None], labels * context.is_label[..., None]
    shown = items + labels if tokens == "interleaved" else jnp.concatenate([items, labels], -1)
    np.testing.assert_array_equal(found, shown)


def test_a_single_sequence_has_no_batch():
    one = jax.tree.map(lambda array: array[0], INDICES)
    context, batch = make_context(one, "interleaved"), make_context(INDICES, "interleaved")
    jax.tree.map(
        np.testing.assert_array_equal,
        context,
        batch._replace(**{name: getattr(batch, name)[0] for name in Context._fields[:-2]}),
    )


def test_edits_are_bound_to_a_context_whose_numbers_are_traced():
    """One program for all strengths and steps: labels of the query's class fade, from a step on."""
    network, variables = make_case("interleaved")
    num_traces = 0

    def fade(tokens, context):
        chosen = context.is_label & context.matches_query & (context.step >= 10)
        return tokens * (1 - context.strength * chosen[..., None])

    @jax.jit
    def tokens(strength, step):
        nonlocal num_traces
        num_traces += 1
        context = make_context(INDICES, "interleaved", strength, step)
        edits = bind_edits({"tokens": fade, "block1/out": lambda x, _: x}, context)
        return network.apply(variables, SEQUENCE, edits=edits)[1]["tokens"]

    plain = network.apply(variables, SEQUENCE)[1]["tokens"]
    faded = np.array([[0, 1, 0, 0, 0, 1, 0], [0] * 7])[..., None]
    np.testing.assert_array_equal(tokens(1.0, 9), plain)
    np.testing.assert_array_equal(tokens(0.0, 10), plain)
    np.testing.assert_allclose(tokens(1.0, 10), plain * (1 - faded), rtol=1e-6)
    np.testing.assert_allclose(tokens(0.25, 11), plain * (1 - 0.25 * faded), rtol=1e-6)
    assert num_traces == 1


def test_without_arguments_an_intervention_has_full_strength():
    context = make_context(INDICES, "interleaved")
    assert (float(context.strength), int(context.step)) == (1.0, 0)
