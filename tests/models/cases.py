"""Small networks of every kind, with sequences for them."""

from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pydantic import TypeAdapter

from icl.config.checks.networks import EMBEDDERS_BY_RANK
from icl.config.networks import NETWORKS, Model
from icl.models.embedders import EMBEDDERS
from icl.models.network import Network, make_network
from icl.types import Sequence, Variables

# Of a kind not named here, the defaults are tested.
SMALL: dict[str, dict[str, Any]] = {
    "transformer": {"num_layers": 2, "num_heads": 2},
    "linear_attention": {"num_heads": 2},
    "delta_net": {"num_heads": 2},
    "retention": {"num_heads": 2},
    "mamba": {"state_dim": 4},
    "hyena": {"filter_dim": 8},
    "mlp": {"hidden_dim": 8},
    "pca": {"num_components": 8},
    "conv": {"channels": (4, 4)},
}
SIZE, CONTEXT, NUM_LABELS, NUM_CLASSES = 8, 3, 7, 11
SYMBOLS, VECTORS, IMAGES = (EMBEDDERS_BY_RANK[rank] for rank in range(3))
ITEMS, TOKENS = CONTEXT + 1, 2 * CONTEXT + 1
BATCH = ITEMS  # one sequence for each item that a test may change
# Mixers and embedders do not know each other: every one of either with one of the other.
CASES = list(
    dict.fromkeys(
        [(kind, "linear") for kind in NETWORKS] + [("transformer", name) for name in EMBEDDERS]
    )
)
every_network = pytest.mark.parametrize(("kind", "embedder"), CASES)

# What the literature turns on, each with what it goes with.
VARIANTS: dict[str, dict[str, Any]] = {
    "attention only": {"mlp_ratio": 0},
    "learned positions": {"positions": {"kind": "learned", "max_tokens": 9}},
    "rotary positions": {"positions": {"kind": "rotary", "base": 100.0}},
    "no positions": {"positions": {"kind": "none"}},
    "shifted positions": {"positions": {"kind": "shifted", "size": 10}, "width": 26},
    "no norms": {"norm": "none"},
    "no residual": {"residual": False},
    "scale": {"attention_scale": 1.0},
    "bare attention": {"attention_bias": False, "attention_out": False},
    "concatenated": {"tokens": "concatenated", "label_dim": 6},
    "tied readout": {"readout": "tied"},
    "tied readout without bias": {"readout": "tied", "readout_bias": False},
    "readout without bias": {"readout_bias": False},
    "head": {"head": (12, 5)},
    "head of scalar biases": {"head": (12, 5), "head_bias": "scalar"},
    "one-hot labels": {"labels": "one_hot"},
    "fixed labels": {"labels": "fixed", "label_init_std": 0.4},
    "Reddy": {
        "positions": {"kind": "shifted", "size": 10},
        "width": 26,
        "mlp_ratio": 0,
        "norm": "none",
        "attention_scale": 1.0,
        "num_heads": 1,
        "attention_bias": False,
        "attention_out": False,
        "labels": "fixed",
        "head": (26, 26, 26),
        "head_bias": "scalar",
    },
}


class Case(NamedTuple):
    """A network and its compiled functions.

    variables: initial ones, all moved by noise, so that no bias is zero and no scale one.
    full, query, train: (variables, sequence) -> logits and aux, in the three modes of a network.
    """

    config: Any
    network: Network
    init: Any
    variables: Variables
    full: Any
    query: Any
    train: Any = None


def make_config(kind: str, embedder: str, variant: str | None = None) -> Any:
    width = 64 if embedder in ("resnet", "identity") else 16  # as published; as many pixels
    described = {"kind": embedder} | SMALL.get(embedder, {})
    changes = VARIANTS[variant] if variant else {}
    settings = {"kind": kind, "width": width, "embedder": described} | SMALL.get(kind, {}) | changes
    if embedder != "linear" or variant not in (None, "Reddy"):
        settings["num_layers"] = 1  # a second block is the same
    return TypeAdapter(Model).validate_python(settings)


def make_items(rng: np.random.Generator, embedder: str, *shape: int) -> np.ndarray:
    if embedder in SYMBOLS:
        return rng.integers(NUM_CLASSES, size=shape, dtype=np.int32)
    return rng.random((*shape, SIZE, SIZE), np.float32)


def make_examples(embedder: str, count: int = 40) -> np.ndarray:
    return make_items(np.random.default_rng(0), embedder, count)


def moved(variables: Variables, scale: float = 0.1) -> Variables:
    rng = np.random.default_rng(1)
    params = jax.tree.map(
        lambda a: a + scale * rng.standard_normal(a.shape, np.float32), variables.params
    )
    return Variables(params, variables.state)


@cache
def make_case(kind: str, embedder: str, variant: str | None = None) -> Case:
    config = make_config(kind, embedder, variant)
    network = make_network(config, NUM_LABELS, make_examples(embedder), NUM_CLASSES)
    init = jax.jit(network.init)
    # One program has all modes, because compiling three takes twice as long.
    modes: dict[str, dict[str, bool]] = {"full": {"query_only": False}, "query": {}}
    if not variant:  # they differ in nothing that training changes
        modes["train"] = {"training": True}
    answers = jax.jit(
        lambda variables, sequence: {
            mode: network.apply(variables, sequence, **options) for mode, options in modes.items()
        }
    )

    def answer(mode: str) -> Any:
        return lambda variables, sequence: answers(variables, sequence)[mode]

    variables = moved(init(jax.random.key(0)))
    return Case(config, network, init, variables, **{mode: answer(mode) for mode in modes})


def make_sequence(embedder: str, batch: int = BATCH, seed: int = 2) -> Sequence:
    rng = np.random.default_rng(seed)
    return Sequence(
        jnp.asarray(make_items(rng, embedder, batch, ITEMS)),
        jnp.asarray(rng.integers(NUM_LABELS, size=(batch, ITEMS), dtype=np.int32)),
        jnp.asarray(rng.integers(2**32, size=batch, dtype=np.uint32)),
    )


def assert_trees_close(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-5) -> None:
    assert jax.tree.structure(a) == jax.tree.structure(b)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=rtol, atol=atol), a, b)


def assert_trees_equal(a: Any, b: Any) -> None:
    assert jax.tree.structure(a) == jax.tree.structure(b)
    jax.tree.map(np.testing.assert_array_equal, a, b)
