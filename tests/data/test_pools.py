"""Pools of classes: their distributions, draws one after another, and what never meets."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from icl.config.sources import ENDLESS_CLASSES, GaussianSource
from icl.data.classes import draw_classes, draw_independent_classes
from icl.data.families.bursty import Bursty
from icl.data.knobs import make_knobs as knobs_of_data
from icl.types import ClassDistribution

from ..chi_square import assert_same_distribution
from . import reference
from .drawing import (
    NAMED_FAMILIES,
    QUICKLY,
    context_counts,
    draw,
    first_item,
    make_data,
    make_knobs,
)

NUM_DRAWS, LARGEST = 50_000, 100_000
POOLS = ("train", "uniform", "common", "rare", "common_zipfian", "rare_zipfian", "holdout", "novel")
ZIPFIAN = ("train", "common_zipfian", "rare_zipfian")


@functools.partial(jax.jit, static_argnums=3, compiler_options=QUICKLY)
def _draw_many(bits, pool, excluded, distinct):
    draw = draw_classes if distinct else draw_independent_classes
    return jax.vmap(draw, (0, None, None))(bits, pool, excluded)


def draw_many(
    pool: ClassDistribution,
    distinct: bool,
    seed: int = 0,
    count: int = 4,
    excluded: tuple[int, ...] = (),
) -> np.ndarray:
    """Draw from a pool; pools of one kind share a program."""
    bits = jax.random.bits(jax.random.key(seed), (NUM_DRAWS, count), jnp.uint32)
    padded = np.array([*excluded, -1, -1][:2], np.int32)
    return np.asarray(_draw_many(bits, pool, padded, distinct))


@functools.cache
def pools_of(
    num_classes: int = 1600, zipf_exponent: float = 0.0, **settings
) -> dict[str, ClassDistribution]:
    settings = {"num_source_classes": LARGEST, "num_holdout_classes": 23} | settings
    settings["num_holdout_classes"] *= num_classes < settings["num_source_classes"]
    return make_knobs(num_classes=num_classes, zipf_exponent=zipf_exponent, **settings).pools


def assert_distinct(drawn: np.ndarray) -> None:
    assert (np.diff(np.sort(drawn, axis=1), axis=1) > 0).all()


# ---- draws one after another


@pytest.mark.parametrize("zipf_exponent", [0.0, 1.0, 3.0, 5.0])
@pytest.mark.parametrize("num_classes", [4, 5, 1600, LARGEST])
def test_distinct_classes_never_repeat(num_classes, zipf_exponent):
    drawn = draw_many(pools_of(num_classes, zipf_exponent)["train"], True)
    assert_distinct(drawn)
    assert drawn.min() >= 0
    assert drawn.max() < num_classes


@pytest.mark.parametrize("zipf_exponent", [0.0, 5.0])
def test_distinct_classes_can_be_all_of_them(zipf_exponent):
    settings = {"num_classes": 8, "num_common_classes": 4, "num_holdout_classes": 4}
    for name, pool in pools_of(zipf_exponent=zipf_exponent, **settings).items():
        if name not in ("train", "uniform", "novel"):
            expected = set(range(pool.first, pool.first + 4))
            assert set(draw_many(pool, True).ravel()) == expected, name


@pytest.mark.parametrize("distinct", [True, False])
@pytest.mark.parametrize("zipf_exponent", [0.0, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("num_classes", [5, 10, 1600, LARGEST])
def test_the_first_class_is_distributed_as_zipfs_law_says(num_classes, zipf_exponent, distinct):
    drawn = draw_many(pools_of(num_classes, zipf_exponent)["train"], distinct, seed=2)
    counts = np.bincount(drawn[:, 0], minlength=num_classes)
    assert_same_distribution(counts, reference.class_probabilities(num_classes, zipf_exponent))


def joint(p: np.ndarray, distinct: bool) -> tuple[np.ndarray, np.ndarray]:
    """Exact probabilities of the first two and the first three classes drawn."""
    n = len(p)
    pairs, triples = np.zeros((n, n)), np.zeros((n, n, n))
    for a, b, c in itertools.product(range(n), repeat=3):
        if not distinct:
            pairs[a, b] = p[a] * p[b]
            triples[a, b, c] = p[a] * p[b] * p[c]
        elif len({a, b, c}) == 3:
            pairs[a, b] = p[a] * p[b] / (1 - p[a])
            triples[a, b, c] = pairs[a, b] * p[c] / (1 - p[a] - p[b])
    return pairs, triples


def assert_joint(drawn: np.ndarray, p: np.ndarray, distinct: bool) -> None:
    n = len(p)
    pairs, triples = joint(p, distinct)
    assert_same_distribution(np.bincount(drawn[:, :2] @ [n, 1], minlength=n**2), pairs)
    assert_same_distribution(np.bincount(drawn[:, :3] @ [n * n, n, 1], minlength=n**3), triples)


@pytest.mark.parametrize("distinct", [True, False])
@pytest.mark.parametrize("zipf_exponent", [0.0, 1.0, 3.0])
def test_joint_distribution_of_pairs_and_triples(zipf_exponent, distinct):
    drawn = draw_many(pools_of(5, zipf_exponent)["train"], distinct, seed=3)
    assert_joint(drawn, reference.class_probabilities(5, zipf_exponent), distinct)


@pytest.mark.parametrize("distinct", [True, False])
@pytest.mark.parametrize("pool", [p for p in POOLS if p != "train"])
def test_joint_distribution_within_each_pool(pool, distinct):
    """Classes are drawn with one class of the pool left out and one of another pool."""
    setting = reference.Setting(
        10, 1.5, num_source_classes=22, num_common_classes=5, num_holdout_classes=6
    )
    table = pools_of(10, 1.5, num_source_classes=22, num_common_classes=5, num_holdout_classes=6)
    first, end = reference.pool_range(setting, pool)
    excluded = (first + 1, 11 if first < 10 else 0)
    _, p = reference.pool_probabilities(setting, pool, excluded)
    drawn = draw_many(table[pool], distinct, seed=5, excluded=excluded) - first
    assert_joint(drawn, p, distinct)
    assert len(p) == end - first


@pytest.mark.parametrize(
    ("pool", "first", "end"),
    [
        ("train", 0, 50),
        ("uniform", 0, 50),
        ("common", 0, 10),
        ("rare", 10, 50),
        ("common_zipfian", 0, 10),
        ("rare_zipfian", 10, 50),
        ("holdout", 50, 64),
    ],
)
@pytest.mark.parametrize("zipf_exponent", [0.0, 1.0, 2.0, 3.0])
def test_frequencies_of_each_pool(pool, first, end, zipf_exponent):
    pools = pools_of(50, zipf_exponent, num_source_classes=64, num_holdout_classes=14)
    weights = np.zeros(64)
    weights[first:end] = np.arange(first + 1.0, end + 1) ** -zipf_exponent
    if pool not in ZIPFIAN:
        weights[first:end] = 1
    counts = np.bincount(draw_many(pools[pool], False, seed=6).ravel(), minlength=64)
    assert_same_distribution(counts, weights / weights.sum())


@pytest.mark.parametrize("num_common_classes", [0, 1, 50, 1000])
def test_there_may_be_no_common_classes_or_no_rare_ones(num_common_classes):
    """Whatever is there, a pool has all the classes on its side."""
    for zipfian in ("", "_zipfian"):
        pools = pools_of(50, 1.0, num_common_classes=num_common_classes)
        common, rare = pools["common" + zipfian], pools["rare" + zipfian]
        assert (common.first, common.size) == (0, min(50, num_common_classes))
        assert (rare.first, rare.size) == (min(50, num_common_classes), 50 - common.size)


def test_all_classes_common_is_zipfs_law():
    drawn = [
        draw_many(pools_of(50, 1.0, num_common_classes=c)[pool], True)
        for c, pool in ((0, "train"), (50, "common_zipfian"), (0, "rare_zipfian"))
    ]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    np.testing.assert_array_equal(drawn[0], drawn[2])


def test_spare_capacity_changes_no_draw():
    small = pools_of(8, 1.0, num_source_classes=8)["train"]
    large = pools_of(8, 1.0)["train"]
    assert len(small.thresholds) < len(large.thresholds)
    np.testing.assert_array_equal(draw_many(small, True), draw_many(large, True))


def test_many_distinct_classes_compile_and_are_distinct():
    pool = pools_of(2000, 1.0)["train"]
    bits = jax.random.bits(jax.random.key(0), (3, 512), jnp.uint32)
    assert_distinct(np.asarray(_draw_many(bits, pool, np.array([-1, -1]), True)))


# ---- which pools the families draw from


@pytest.mark.parametrize("zipf_exponent", [0.0, 2.0])
def test_rare_bursts_among_common_classes_and_the_reverse(zipf_exponent):
    for name, bursts in (("bursty_rare", "rare"), ("bursty_common", "common")):
        knobs = make_knobs(zipf_exponent=zipf_exponent, num_common_classes=9)
        classes = draw(NAMED_FAMILIES[name], knobs).classes
        is_repeated = context_counts(classes) == 3
        assert (is_repeated.sum(1) == 7).all()
        assert ((classes < 9) == (is_repeated == (bursts == "common"))).all()
        sizes = {"common": 9, "rare": 41}
        counts = np.bincount(classes[:, -1] - (9 if bursts == "rare" else 0))
        assert_same_distribution(counts, np.full(sizes[bursts], 1 / sizes[bursts]))


def test_pools_that_overlap_share_no_class_in_a_sequence():
    """A Zipfian way, then two others of the common classes that it is not; exactly."""
    family = Bursty((2, 1, 1), "train", "common", is_training=True)
    setting = reference.Setting(6, 1.0, num_common_classes=4)
    classes = draw(
        family, make_knobs(num_classes=6, zipf_exponent=1.0, num_common_classes=4)
    ).classes
    counts = context_counts(classes)
    assert (np.sort(counts, axis=1) == [1, 1, 2, 2, 2]).all()
    rest = classes[:, :-1][counts[:, :-1] == 1].reshape(-1, 2)
    exact = np.zeros((6, 4, 4))
    for a, b, c in itertools.product(range(6), range(4), range(4)):
        if len({a, b, c}) == 3:
            left = 4 - (a < 4)
            exact[a, b, c] = reference.pool_probabilities(setting, "train")[1][a]
            exact[a, b, c] /= left * (left - 1)
    codes = classes[:, -1] * 16 + rest @ [4, 1]
    assert_same_distribution(np.bincount(codes, minlength=96), exact)


@pytest.mark.parametrize("name", [n for n in NAMED_FAMILIES if "novel" not in n])
def test_training_and_held_out_classes_never_meet(name):
    """Every class of the source is in use on one side or the other."""
    family = NAMED_FAMILIES[name]
    classes = draw(family, make_knobs(zipf_exponent=1.0, num_holdout_exemplars=8)).classes
    pool = {"holdout": range(50, 64), "common": range(10), "rare": range(10, 50)}
    expected = set(pool.get(family.classes, range(50)))
    if getattr(family, "others", None):
        expected |= set(pool[family.others])
    assert set(classes.ravel()) == expected


def test_pairs_of_held_out_classes_are_uniform():
    classes = draw(NAMED_FAMILIES["fewshot_holdout"], make_knobs()).classes - 50
    other = classes[np.arange(len(classes)), first_item(classes[:, :-1] != classes[:, -1:])]
    counts = np.bincount(classes[:, -1] * 14 + other, minlength=196)
    assert_same_distribution(counts, (1 - np.eye(14)) / (14 * 13))


@pytest.mark.parametrize("name", ["bursty_novel", "fewshot_novel"])
def test_novel_classes_are_new_ones_of_an_endless_source(name):
    """Neither trained on nor held out, uniform, and hardly ever met again."""
    data = make_data(num_classes=1600, num_holdout_classes=23, num_source_classes=1623)
    data = data.model_copy(update={"source": GaussianSource(), "num_meanings": 8})
    knobs = knobs_of_data(data, ENDLESS_CLASSES, 1000)
    classes = draw(NAMED_FAMILIES[name], knobs, num=2000).classes
    assert classes.min() >= 1600
    assert classes.max() < ENDLESS_CLASSES - 23
    bins = np.bincount(
        (classes[:, -1] - 1600) // (-(-(ENDLESS_CLASSES - 1623) // 64)), minlength=64
    )
    assert_same_distribution(bins, np.full(64, 1 / 64))
    assert len(np.unique(classes[:, -1])) >= 1990
