"""Orders of a context: exact distributions over arrangements, and what goes along with classes."""

import collections
import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from icl.config.families import num_ways
from icl.data.bits import RandomBits
from icl.data.families.bursty import Bursty
from icl.data.orders import ORDERS

from ..chi_square import assert_same_distribution, assert_same_samples
from . import reference
from .drawing import BURSTY, NAMED_FAMILIES, QUICKLY, context_counts, draw, make_knobs, same

PATTERNS = [(1,), (2, 2), (3, 1, 1), (1, 2), (2, 1, 2), (3, 2, 1), (2, 2, 1, 1)]
NUM_ORDERS = 20_000


@functools.cache
def orders(name: str, pattern: tuple[int, ...]) -> np.ndarray:
    """[sequence, place]: the number of the item there."""
    bits = jax.random.bits(jax.random.key(9), (NUM_ORDERS, 2 * sum(pattern)), jnp.uint32)
    order = jax.vmap(lambda row: ORDERS[name](RandomBits(row), pattern))
    return np.asarray(jax.jit(order, compiler_options=QUICKLY)(bits))


def arrangements(name: str, pattern: tuple[int, ...]) -> dict[tuple[int, ...], float]:
    """The exact probability of each arrangement of classes, counted out."""
    ways, total = num_ways(pattern), sum(pattern)
    if name == "shuffled":
        items = [way for way, count in enumerate(pattern) for _ in range(count)]
        every = list(itertools.permutations(items))
    elif name == "blocked":
        every = [
            tuple(way for way in order for _ in range(pattern[way]))
            for order in itertools.permutations(range(len(pattern)))
        ]
    else:
        rounds = [
            itertools.permutations([way for way in range(ways) if pattern[way] > i])
            for i in range(max(pattern))
        ]
        every = []
        others = range(ways, len(pattern))
        for parts in itertools.product(*rounds):
            for places in itertools.permutations(range(total), len(others)):
                repeated = itertools.chain(*parts)
                at = dict(zip(places, others, strict=True))
                every.append(tuple(at[i] if i in at else next(repeated) for i in range(total)))
    return {key: n / len(every) for key, n in collections.Counter(every).items()}


@pytest.mark.parametrize("pattern", PATTERNS, ids=str)
@pytest.mark.parametrize("name", ORDERS)
def test_arrangements_are_as_counted_out(name, pattern):
    items = orders(name, pattern)
    assert (np.sort(items, axis=1) == np.arange(sum(pattern))).all()
    classes = np.repeat(np.arange(len(pattern)), pattern)[items]
    exact = arrangements(name, pattern)
    observed = collections.Counter(map(tuple, classes.tolist()))
    assert set(observed) == set(exact)
    assert_same_distribution([observed[key] for key in exact], list(exact.values()))


def test_two_classes_of_two_items_grouped():
    """ABAB, ABBA, BAAB and BABA, as Chan et al. have it; never AABB."""
    found = {"".join("AABB"[i] for i in row) for row in orders("grouped", (2, 2))}
    assert found == {"ABAB", "ABBA", "BAAB", "BABA"}


@pytest.mark.parametrize("pattern", PATTERNS, ids=str)
@pytest.mark.parametrize("name", ORDERS)
def test_plain_orders_agree(name, pattern):
    """The plain NumPy of the reference is held against the same counts."""
    rng = np.random.default_rng(0)
    exact = arrangements(name, pattern)
    drawn = [tuple(way for way, _ in reference.ORDERS[name](rng, pattern)) for _ in range(2000)]
    observed = collections.Counter(drawn)
    assert set(observed) <= set(exact)
    assert_same_distribution([observed[key] for key in exact], list(exact.values()))


def test_items_of_a_class_are_in_any_order_when_shuffled():
    codes = orders("shuffled", (2, 1, 2)) @ 5 ** np.arange(5)
    observed = np.unique(codes, return_counts=True)[1]
    assert len(observed) == math.factorial(5)
    assert_same_distribution(observed, np.full(120, 1 / 120))


# ---- within a sequence


@pytest.mark.parametrize("zipf_exponent", [0.0, 2.0])
def test_bursty_order_is_uniform(zipf_exponent):
    """All 8! / (3! 3! 2!) arrangements of the query's class, the other way and the rest."""
    classes = draw(BURSTY, make_knobs(zipf_exponent=zipf_exponent)).classes
    is_query = classes[:, :-1] == classes[:, -1:]
    is_repeated = context_counts(classes)[:, :-1] == 3
    kinds = is_query.astype(int) + is_repeated
    codes, counts = np.unique(kinds @ 3 ** np.arange(8), return_counts=True)
    assert len(codes) == 560
    assert_same_distribution(counts, np.full(560, 1 / 560))


def test_few_shot_order_is_uniform():
    classes = draw(NAMED_FAMILIES["fewshot_holdout"], make_knobs()).classes
    is_query = classes[:, :-1] == classes[:, -1:]
    codes, counts = np.unique(is_query @ 2 ** np.arange(8), return_counts=True)
    assert len(codes) == 70
    assert_same_distribution(counts, np.full(70, 1 / 70))


@pytest.mark.parametrize("order", ["grouped", "blocked"])
def test_labels_and_exemplars_follow_their_classes(order):
    """Each class of the pattern 2,2,1 has its own label and exemplars, wherever they come."""
    family = Bursty((2, 2, 1), order=order)
    drawn = draw(family, make_knobs(label_multiplicity=3, zipf_exponent=1.0))
    np.testing.assert_array_equal(same(drawn.labels), same(drawn.classes))
    np.testing.assert_array_equal(drawn.labels // 3, 49 - drawn.classes)
    codes = drawn.classes * 100 + drawn.exemplars
    assert (same(codes).sum((1, 2)) == 6).all()
    counts = context_counts(drawn.classes)[:, :-1]
    kinds = np.where(counts == 1, 2, drawn.classes[:, :-1] != drawn.classes[:, -1:])
    exact = arrangements(order, family.pattern)
    observed = collections.Counter(map(tuple, kinds.tolist()))
    assert set(observed) == set(exact)
    assert_same_distribution([observed[key] for key in exact], list(exact.values()))
    rng = np.random.default_rng(0)
    setting = reference.Setting(50, 1.0, num_holdout_classes=14, label_multiplicity=3)
    slow = [reference.bursty(rng, setting, (2, 2, 1), order=order) for _ in range(1500)]
    first_is_query = np.array([d.classes[0] == d.classes[-1] for d in slow])
    assert_same_samples(first_is_query, drawn.classes[:, 0] == drawn.classes[:, -1])
