"""Families of sequences against formulas: what they are made of, and how often."""

import itertools

import numpy as np
import pytest

from icl.config.families import num_ways
from icl.data.families.bursty import Bursty
from icl.data.families.independent import Independent

from ...chi_square import assert_proportion, assert_same_distribution
from .. import reference
from ..drawing import (
    BURSTY,
    CAPACITY,
    INDEPENDENT,
    NAMED_FAMILIES,
    NUM,
    context_counts,
    draw,
    first_item,
    make_knobs,
    same,
    with_values,
)

FEWSHOT = NAMED_FAMILIES["fewshot_train"]
NO_SUPPORT = NAMED_FAMILIES["no_support"]
REFERENCE_CODE = Bursty((3, 3, 1, 1), distinct=False, is_training=True)

# Beside 3,3,1,1 and the few-shot families of the table.
PATTERNS = [
    (1,),
    (2, 1),
    (8,),
    (1,) * 8,
    (2, 2, 2, 2),
    (4, 2, 1, 1),
    (1, 3, 3, 1),
]
KNOBS = {
    "plain": make_knobs(num_holdout_exemplars=8),
    "few classes": make_knobs(
        4, num_classes=20, num_holdout_exemplars=1, label_multiplicity=3, zipf_exponent=1.0
    ),
    "steep": make_knobs(
        10_000, num_holdout_exemplars=1, zipf_exponent=5.0, label_multiplicity=1024
    ),
    "full": make_knobs(
        2,
        num_holdout_exemplars=2,
        num_classes=CAPACITY - 2,
        zipf_exponent=1.0,
        num_common_classes=60,
    ),
}


@pytest.mark.parametrize(
    ("pattern", "ways"),
    [
        ((1,), 1),
        ((8,), 1),
        ((1,) * 8, 1),
        ((3, 3, 1, 1), 2),
        ((4, 2, 1, 1), 2),
        ((1, 3, 3, 1), 3),
        ((1, 1, 2), 3),
        ((2, 2, 2, 2), 4),
        ((16,) * 8, 8),
    ],
)
def test_ways_are_counted_up_to_the_last_class_that_comes_more_than_once(pattern, ways):
    assert num_ways(pattern) == Bursty(pattern).ways == reference.ways_of(pattern) == ways


# ---- what holds of every sequence


@pytest.mark.parametrize("knobs", KNOBS.values(), ids=KNOBS)
@pytest.mark.parametrize(
    "name", [n for n in NAMED_FAMILIES if "novel" not in n and "pairs" not in n]
)
def test_every_family(name, knobs):
    """Shapes, ranges, exact counts, labels that go with classes, and exemplars that differ."""
    family = NAMED_FAMILIES[name]
    drawn = draw(family, knobs, seed=1)
    context_len = family.context_len if isinstance(family, Independent) else sum(family.pattern)
    for values in (drawn.classes, drawn.exemplars, drawn.labels):
        assert values.shape == (NUM, context_len + 1)
        assert values.dtype == np.int32
        assert values.min() >= 0
    assert drawn.synonyms.shape == drawn.family.shape == (NUM,)
    assert (drawn.family == 0).all()
    assert drawn.classes.max() < CAPACITY
    first = int(knobs.num_exemplars) if family.holdout_exemplars else 0
    size = int(knobs.num_holdout_exemplars if family.holdout_exemplars else knobs.num_exemplars)
    assert drawn.exemplars.min() >= first
    assert drawn.exemplars.max() < first + size
    owns_labels = isinstance(family, Independent) or family.labels in ("own", "flipped")
    multiplicity = int(knobs.label_multiplicity)
    assert (drawn.synonyms == (multiplicity if owns_labels else 1)).all()
    held_out = int(knobs.first_holdout_class) - int(knobs.num_classes)
    assert drawn.labels.max() < (CAPACITY - held_out) * multiplicity
    if isinstance(family, Independent):
        return
    assert_counts(drawn.classes, family.pattern)
    # each class has one label, and each label one class
    np.testing.assert_array_equal(same(drawn.labels), same(drawn.classes))
    assert_exemplars_differ(drawn, family.pattern, size)


def assert_counts(classes: np.ndarray, pattern: tuple[int, ...]) -> None:
    """The context is as the pattern says, and the query is of the first class."""
    counts = context_counts(classes)
    assert (np.sort(counts[:, :-1], axis=1) == np.sort(np.repeat(pattern, pattern))).all()
    assert (counts[:, -1] == pattern[0]).all()


def assert_exemplars_differ(drawn, pattern: tuple[int, ...], size: int) -> None:
    """Exemplars of a repeated class differ, the query's among them, until all are used."""
    codes = drawn.classes * 100_000 + drawn.exemplars
    copies = same(codes).sum((1, 2)) - codes.shape[1]
    shots = [pattern[0] + 1, *pattern[1 : num_ways(pattern)]]
    if size >= max(shots):
        assert (copies == 0).all()
        return
    num_distinct = 1 + (np.diff(np.sort(codes, axis=1)) > 0).sum(1)
    expected = sum(min(count, size) for count in shots) + len(pattern) - num_ways(pattern)
    assert (num_distinct == expected).all()


@pytest.mark.parametrize("pattern", PATTERNS, ids=str)
def test_every_pattern(pattern):
    family = Bursty(pattern)
    for knobs in (KNOBS["plain"], KNOBS["few classes"]):
        drawn = draw(family, knobs)
        assert drawn.classes.shape == (NUM, sum(pattern) + 1)
        assert_counts(drawn.classes, pattern)
        np.testing.assert_array_equal(same(drawn.labels), same(drawn.classes))
        assert_exemplars_differ(drawn, pattern, int(knobs.num_exemplars))
    knobs = make_knobs(zipf_exponent=1.0, num_holdout_exemplars=8)
    counts = np.bincount(draw(family, knobs).classes[:, -1], minlength=50)
    assert_same_distribution(counts, reference.class_probabilities(50, 1.0))


@pytest.mark.parametrize("pattern", [(16,) * 8, (1,) * 128], ids=["16 x 8", "1 x 128"])
def test_long_contexts(pattern):
    knobs = make_knobs(num_source_classes=200, num_classes=150, zipf_exponent=1.0)
    drawn = draw(Bursty(pattern), knobs, num=200)
    assert drawn.classes.shape == (200, 129)
    assert_counts(drawn.classes, pattern)
    np.testing.assert_array_equal(same(drawn.labels), same(drawn.classes))
    assert_exemplars_differ(drawn, pattern, 20)
    assert drawn.classes.max() < 150


def test_one_of_many_classes():
    """100,000 of them, at the steepest Zipf exponent in use: nothing repeats that should not."""
    knobs = make_knobs(
        num_source_classes=100_000, num_classes=99_000, zipf_exponent=3.0, num_holdout_classes=1000
    )
    drawn = draw(BURSTY, knobs)
    assert_counts(drawn.classes, BURSTY.pattern)
    assert drawn.classes.max() > 1000
    counts = np.bincount(drawn.classes[:, -1], minlength=99_000)
    assert_same_distribution(counts, reference.class_probabilities(99_000, 3.0))


# ---- frequencies


@pytest.mark.parametrize(
    ("num_classes", "zipf_exponent"), [(10, 0.0), (64, 0.5), (50, 1.0), (10, 2.0), (64, 3.0)]
)
@pytest.mark.parametrize(
    "family",
    [BURSTY, REFERENCE_CODE, INDEPENDENT, NO_SUPPORT, FEWSHOT, NAMED_FAMILIES["flip"]],
    ids=["bursty", "reference code", "independent", "no support", "few-shot", "flip"],
)
def test_query_class_frequencies(family, zipf_exponent, num_classes):
    """Classes have their frequencies also in a table for more classes than are in use."""
    knobs = make_knobs(num_classes=num_classes, zipf_exponent=zipf_exponent)
    counts = np.bincount(draw(family, knobs).classes[:, -1], minlength=num_classes)
    assert_same_distribution(counts, reference.class_probabilities(num_classes, zipf_exponent))


@pytest.mark.parametrize("zipf_exponent", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("family", [BURSTY, FEWSHOT], ids=["bursty", "few-shot"])
def test_query_and_other_way_are_drawn_without_replacement(family, zipf_exponent):
    classes = draw(family, make_knobs(num_classes=6, zipf_exponent=zipf_exponent)).classes
    counts = context_counts(classes)
    shots = family.pattern[0]
    is_other_way = (classes[:, :-1] != classes[:, -1:]) & (counts[:, :-1] == shots)
    other = classes[np.arange(NUM), first_item(is_other_way)]
    p = reference.class_probabilities(6, zipf_exponent)
    exact = (1 - np.eye(6)) * p[:, None] * p / (1 - p)[:, None]
    assert_same_distribution(np.bincount(classes[:, -1] * 6 + other, minlength=36), exact)


def test_order_does_not_depend_on_class():
    classes = draw(BURSTY, make_knobs(zipf_exponent=1.0)).classes
    place = first_item(classes[:, :-1] == classes[:, -1:])
    exact = np.array([21, 15, 10, 6, 3, 1]) / 56  # of the first of three among eight
    for commonest in (True, False):
        counts = np.bincount(place[(classes[:, -1] == 0) == commonest], minlength=6)
        assert_same_distribution(counts, exact)


# ---- classes drawn independently, as in the reference code


@pytest.mark.parametrize(
    ("zipf_exponent", "collision"), [(0.0, 0.0006), (1.0, 0.026), (1.5, 0.18), (2.0, 0.40)]
)
def test_ways_drawn_independently_coincide_as_in_the_reference_code(zipf_exponent, collision):
    """Two independent ways are one class with probability sum p**2: 40% at exponent 2."""
    probability = (reference.class_probabilities(1613, zipf_exponent) ** 2).sum()
    assert probability == pytest.approx(collision, rel=0.05)
    knobs = make_knobs(
        num_source_classes=1623,
        num_classes=1613,
        num_holdout_classes=10,
        zipf_exponent=zipf_exponent,
    )
    classes = draw(Bursty((3, 3), distinct=False), knobs).classes
    coincide = (classes == classes[:, :1]).all(1)
    assert_proportion(coincide.sum(), NUM, probability)


def test_the_others_may_repeat_a_way_when_drawn_independently():
    """The counts are 3, 3, 1, 1 only when four independent classes happen to differ."""
    counts = context_counts(draw(REFERENCE_CODE, make_knobs()).classes)[:, :-1]
    as_wanted = (np.sort(counts, axis=1) == [1, 1, 3, 3, 3, 3, 3, 3]).all(1)
    assert_proportion(as_wanted.sum(), NUM, 49 * 48 * 47 / 50**3)


# ---- contexts without the query's class, now and then

SOMETIMES = Bursty((2, 1), is_training=True)
SOMETIMES_INDEPENDENT = Bursty((2, 1), distinct=False, is_training=True)


@pytest.mark.parametrize("p_relevant", [0.0, 0.3, 1.0])
def test_share_of_contexts_with_the_querys_class(p_relevant):
    knobs = with_values(make_knobs(num_classes=5, p_relevant=0.5), p_relevant=p_relevant)
    for family in (SOMETIMES, SOMETIMES_INDEPENDENT):
        counts = context_counts(draw(family, knobs).classes)
        assert_proportion((counts[:, -1] > 0).sum(), NUM, p_relevant)
        assert (counts[:, :-1].max(1) >= 2).all()


@pytest.mark.parametrize("distinct", [True, False])
def test_the_query_of_an_irrelevant_context_is_drawn_from_all_other_classes(distinct):
    family = SOMETIMES if distinct else SOMETIMES_INDEPENDENT
    knobs = make_knobs(num_classes=5, zipf_exponent=1.0, p_relevant=0.5)
    knobs = with_values(knobs, p_relevant=0.0)
    classes = draw(family, knobs).classes
    way = np.sort(classes[:, :-1], axis=1)[:, 1]  # the class of two items of three
    other = classes[:, :-1].sum(1) - 2 * way
    p, exact = reference.class_probabilities(5, 1.0), np.zeros((5, 5, 5))
    for a, b, q in itertools.product(range(5), repeat=3):
        if q not in (a, b) and (a != b or not distinct):
            exact[a, b, q] = p[a] * p[b] / (1 - p[a] * distinct)
            exact[a, b, q] *= p[q] / (1 - sum(p[c] for c in {a, b}))
    codes = way * 25 + other * 5 + classes[:, -1]
    assert_same_distribution(np.bincount(codes, minlength=125), exact)


def test_conditions_are_never_irrelevant():
    knobs = with_values(make_knobs(p_relevant=0.5), p_relevant=0.0)
    assert (context_counts(draw(FEWSHOT, knobs).classes)[:, -1] == 4).all()
