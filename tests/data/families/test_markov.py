"""Paths of Markov chains: how chains and paths are distributed, and what could be learned."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from icl.config import DataConfig, EvaluationConfig
from icl.config.sources import MarkovSource
from icl.data.families import make_families
from icl.data.families.markov import Markov, transition_matrix
from icl.data.knobs import make_knobs
from icl.evaluation.conditions import make_conditions

from ...chi_square import ALPHA, assert_same_distribution
from ..drawing import QUICKLY, jit_draw

SYMBOLS = 3


@functools.cache
def knobs():
    source = MarkovSource(num_symbols=SYMBOLS)
    return make_knobs(DataConfig(source=source), SYMBOLS, 1)


def draw(family: Markov, count: int, seed: int = 0):
    return jax.tree.map(np.asarray, jit_draw(jax.random.key(seed), family, knobs(), count))


@functools.partial(jax.jit, static_argnums=(1, 2), compiler_options=QUICKLY)
def matrices(chains, num_symbols, concentration):
    return jax.vmap(lambda chain: transition_matrix(chain, num_symbols, concentration))(chains)


def numbered(seed: int, count: int):
    return jnp.stack(jnp.broadcast_arrays(jnp.uint32(seed), jnp.arange(count, dtype=jnp.uint32)), 1)


def transitions(drawn) -> np.ndarray:
    """Counts of (symbol, next)."""
    counts = np.zeros((SYMBOLS, SYMBOLS), int)
    np.add.at(counts, (drawn.classes.ravel(), drawn.labels.ravel()), 1)
    return counts


# Chains.


@pytest.mark.parametrize("concentration", [0.02, 1.0, 20.0])
def test_rows_are_dirichlet(concentration):
    rows = np.asarray(matrices(numbered(5, 2000), SYMBOLS, concentration), np.float64)
    np.testing.assert_allclose(rows.sum(2), 1, atol=1e-5)
    # Each entry is Beta; values that float32 does not distinguish are one value in both.
    distribution = stats.beta(concentration, (SYMBOLS - 1) * concentration)
    edges = np.unique(np.clip(distribution.ppf(np.linspace(0, 1, 11)), 1e-6, 1 - 1e-6))
    for symbol in range(SYMBOLS):
        for after in range(SYMBOLS):
            cells = np.bincount(
                np.digitize(rows[:, symbol, after], edges), minlength=len(edges) + 1
            )
            probs = np.diff(np.concatenate([[0], distribution.cdf(edges), [1]]))
            assert_same_distribution(cells, probs)
    # Of two entries of a row, -1 / (symbols - 1); of two rows, none.
    correlation = np.corrcoef(rows.reshape(len(rows), -1).T)
    expected = np.kron(np.eye(SYMBOLS), np.full((SYMBOLS, SYMBOLS), -1 / (SYMBOLS - 1)))
    np.fill_diagonal(expected, 1)
    np.testing.assert_allclose(correlation, expected, atol=6 / np.sqrt(len(rows)))


def test_a_chain_is_a_function_of_its_number_and_the_seed():
    first, again = matrices(numbered(1, 50), 4, 1.0), matrices(numbered(1, 50)[::-1], 4, 1.0)
    np.testing.assert_array_equal(first, again[::-1])
    assert len(np.unique(np.asarray(first).reshape(50, -1), axis=0)) == 50
    assert not np.isclose(first, matrices(numbered(2, 50), 4, 1.0)).all(axis=(1, 2)).any()


# Paths.


def test_a_path_is_pairs_of_symbols_that_follow_each_other():
    drawn = draw(Markov(20, SYMBOLS, 1.0, seed=3, num_chains=4), 3000)
    assert drawn.classes.shape == drawn.labels.shape == (3000, 21)
    np.testing.assert_array_equal(drawn.classes[:, 1:], drawn.labels[:, :-1])
    assert set(drawn.classes.ravel()) == set(range(SYMBOLS))
    assert not drawn.exemplars.any()
    assert (drawn.synonyms == 1).all()
    first = np.bincount(drawn.classes[:, 0], minlength=SYMBOLS)
    assert_same_distribution(first, np.full(SYMBOLS, 1 / SYMBOLS))


@pytest.mark.parametrize("concentration", [0.02, 1.0])
def test_paths_follow_the_matrix_of_their_chain(concentration):
    family = Markov(30, SYMBOLS, concentration, seed=7, num_chains=1)
    (matrix,) = np.asarray(matrices(numbered(7, 1), SYMBOLS, concentration))
    for seed in (0, 1):  # whenever it is drawn
        drawn = draw(family, 3000, seed)
        for symbol, counts in enumerate(transitions(drawn)):
            # What float32 rounds to nothing may still not be exactly nothing.
            assert_same_distribution(counts, np.maximum(matrix[symbol], 1e-9))
        query = np.bincount(drawn.labels[drawn.classes[:, -1] == 0, -1], minlength=SYMBOLS)
        assert_same_distribution(query, np.maximum(matrix[0], 1e-9))


def test_chains_are_drawn_uniformly():
    """The first three symbols of a path are those of a chain drawn uniformly from four."""
    drawn = draw(Markov(2, SYMBOLS, 1.0, seed=7, num_chains=4), 20_000)
    chains = np.asarray(matrices(numbered(7, 4), SYMBOLS, 1.0), np.float64)
    codes = drawn.classes @ np.array([9, 3, 1])
    probs = np.einsum("kab,kbc->abc", chains, chains).ravel() / SYMBOLS / 4
    assert_same_distribution(np.bincount(codes, minlength=27), probs / probs.sum())


def test_novel_chains_differ_from_each_other_and_from_those_trained_on():
    source = MarkovSource(num_symbols=SYMBOLS, num_chains=2, seed=7, concentration=0.02)
    data = DataConfig(source=source, context_len=30)
    names = ("markov", "markov_novel", "train")
    trained = make_families(data)["markov"]
    conditions = make_conditions(data, EvaluationConfig(conditions=names))
    assert trained == conditions["markov"] == Markov(30, SYMBOLS, 0.02, 7, 2)
    assert conditions["markov_novel"].num_chains is None
    logs = np.log(np.maximum(np.asarray(matrices(numbered(7, 2), SYMBOLS, 0.02)), 1e-9))
    novel = draw(conditions["markov_novel"], 3000)
    known = draw(trained, 3000)
    for drawn, share in ((known, 0.0), (novel, 0.5)):
        likelihood = logs[:, drawn.classes, drawn.labels].sum(2).max(0)
        assert (likelihood < -30).mean() >= share
        if share == 0:
            assert (likelihood > -60).all()
    # Over all chains, transitions are uniform: counted once for each path.
    follows = np.bincount(novel.labels[:, 0], minlength=SYMBOLS)
    assert_same_distribution(follows, np.full(SYMBOLS, 1 / SYMBOLS))


# What can be learned.


@pytest.mark.parametrize("concentration", [0.3, 1.0])
def test_counting_pairs_in_context_predicts_as_well_as_theory_says(concentration):
    """The posterior mean (count + concentration) / (total + symbols * concentration) is the
    probability of each next symbol, so that its largest is how often the best guess is right."""
    drawn = draw(Markov(60, SYMBOLS, concentration, seed=0), 3000)
    context, query, target = drawn.classes[:, :-1], drawn.classes[:, -1], drawn.labels[:, -1]
    labels = drawn.labels[:, :-1]
    follows = (context == query[:, None])[:, :, None] & (labels[:, :, None] == np.arange(SYMBOLS))
    pairs = follows.sum(1) + concentration
    posterior = pairs / pairs.sum(1, keepdims=True)
    right = posterior.argmax(1) == target
    expected = posterior.max(1)
    error = np.sqrt((expected * (1 - expected)).sum())
    assert abs(right.sum() - expected.sum()) < stats.norm.isf(ALPHA / 2) * error
    # Calibrated: each posterior probability is that of its symbol.
    cells = np.minimum((posterior * 5).astype(int), 4)
    happened = np.arange(SYMBOLS) == target[:, None]
    for cell in range(5):
        p, h = posterior[cells == cell], happened[cells == cell]
        spread = np.sqrt((p * (1 - p)).sum()) + 1
        assert abs(h.sum() - p.sum()) < stats.norm.isf(ALPHA / 2) * spread
    alone = (labels[:, :, None] == np.arange(SYMBOLS)).sum(1).argmax(1) == target
    assert right.mean() > alone.mean() + 0.05
