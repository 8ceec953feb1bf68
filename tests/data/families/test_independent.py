"""Items drawn one by one: with the query's class among them, without it, or as it comes."""

import itertools

import numpy as np
import pytest
from scipy import stats

from icl.data.families.independent import Independent

from ...chi_square import assert_proportion, assert_same_distribution
from .. import reference
from ..drawing import (
    INDEPENDENT,
    NAMED_FAMILIES,
    NUM,
    context_counts,
    draw,
    make_knobs,
    num_different,
    same,
)

NO_SUPPORT = NAMED_FAMILIES["no_support"]
SUPPORTED = NAMED_FAMILIES["supported"]
DISTINCT = NAMED_FAMILIES["no_support_distinct"]
COPY = NAMED_FAMILIES["copy_available"]

NEVER = [name for name, f in NAMED_FAMILIES.items() if getattr(f, "support", None) == "never"]


@pytest.mark.parametrize("zipf_exponent", [0.0, 5.0])
@pytest.mark.parametrize("name", NEVER)
def test_no_support_never_contains_the_querys_class(name, zipf_exponent):
    for num_classes, common in ((10, 2), (10, 8)):
        knobs = make_knobs(
            num_classes=num_classes,
            zipf_exponent=zipf_exponent,
            num_common_classes=common,
            num_holdout_exemplars=2,
        )
        assert (context_counts(draw(NAMED_FAMILIES[name], knobs).classes)[:, -1] == 0).all()


@pytest.mark.parametrize("zipf_exponent", [0.0, 5.0])
def test_of_two_classes_the_context_is_the_other_one(zipf_exponent):
    classes = draw(NO_SUPPORT, make_knobs(num_classes=2, zipf_exponent=zipf_exponent)).classes
    assert (classes[:, :-1] == 1 - classes[:, -1:]).all()


@pytest.mark.parametrize(
    "family", [INDEPENDENT, SUPPORTED, NO_SUPPORT], ids=["any", "always", "never"]
)
def test_contexts_of_one_item(family):
    short = Independent(1, support=family.support)
    drawn = draw(short, make_knobs(num_classes=2, zipf_exponent=1.0))
    assert drawn.classes.shape == (NUM, 2)
    exact = {
        "any": [4 / 9, 2 / 9, 2 / 9, 1 / 9],
        "always": [2 / 3, 0, 0, 1 / 3],
        "never": [0, 2 / 3, 1 / 3, 0],
    }[family.support]
    assert_same_distribution(np.bincount(drawn.classes @ [1, 2], minlength=4), exact)


@pytest.mark.parametrize("zipf_exponent", [0.0, 1.0, 3.0])
def test_no_support_context_is_independent_given_the_query(zipf_exponent):
    classes = draw(NO_SUPPORT, make_knobs(num_classes=5, zipf_exponent=zipf_exponent)).classes
    p = reference.class_probabilities(5, zipf_exponent)
    given = (1 - np.eye(5)) * p / (1 - p)[:, None]  # [query, context item]
    exact = p[:, None, None] * given[:, :, None] * given[:, None, :]
    for i, j in ((0, 1), (3, 7)):
        counts = np.bincount(classes[:, [-1, i, j]] @ [25, 5, 1], minlength=125)
        assert_same_distribution(counts, exact)


@pytest.mark.parametrize("zipf_exponent", [0.0, 1.0, 2.0])
def test_distinct_contexts_are_drawn_without_replacement(zipf_exponent):
    classes = draw(DISTINCT, make_knobs(num_classes=10, zipf_exponent=zipf_exponent)).classes
    assert (num_different(classes) == 9).all()
    p = reference.class_probabilities(10, zipf_exponent)
    exact = np.zeros((10, 10, 10))
    for q, a, b in itertools.permutations(range(10), 3):
        exact[q, a, b] = p[q] * p[a] / (1 - p[q]) * p[b] / (1 - p[q] - p[a])
    counts = np.bincount(classes[:, [-1, 0, 1]] @ [100, 10, 1], minlength=1000)
    assert_same_distribution(counts, exact)


def test_distinct_contexts_may_take_all_classes():
    classes = draw(DISTINCT, make_knobs(num_classes=9, zipf_exponent=3.0)).classes
    assert (np.sort(classes, axis=1) == np.arange(9)).all()


@pytest.mark.parametrize("zipf_exponent", [0.0, 1.0, 2.0])
def test_independent_items_support_the_query_by_chance(zipf_exponent):
    """The query's class occurs Binomial(8, p) times, p its own probability."""
    classes = draw(INDEPENDENT, make_knobs(num_classes=30, zipf_exponent=zipf_exponent)).classes
    p = reference.class_probabilities(30, zipf_exponent)
    exact = p @ stats.binom.pmf(np.arange(9), 8, p[:, None])
    assert_same_distribution(np.bincount(context_counts(classes)[:, -1], minlength=9), exact)
    for i in range(9):
        assert_same_distribution(np.bincount(classes[:, i], minlength=30), p)


@pytest.mark.parametrize("zipf_exponent", [0.0, 1.0, 3.0])
def test_supported_sequences_hold_the_querys_class(zipf_exponent):
    """Drawn from p, and where it is absent replaced by that of a random item: exactly.

    The number of items of the query's class is Binomial(8, p) if above 0; else a random item is
    taken, whose class comes 1 + Binomial(7, p(c) / (1 - p(q))) times, q the class replaced.
    """
    classes = draw(SUPPORTED, make_knobs(num_classes=6, zipf_exponent=zipf_exponent)).classes
    p = reference.class_probabilities(6, zipf_exponent)
    exact = np.zeros((6, 9))
    for q in range(6):
        exact[q, 1:] += p[q] * stats.binom.pmf(np.arange(1, 9), 8, p[q])
        for c in set(range(6)) - {q}:
            given = p[c] / (1 - p[q])
            absent = p[q] * (1 - p[q]) ** 8 * given
            exact[c, 1:] += absent * stats.binom.pmf(np.arange(8), 7, given)
    counts = context_counts(classes)[:, -1]
    assert counts.min() > 0
    observed = np.bincount(classes[:, -1] * 9 + counts, minlength=54)
    assert_same_distribution(observed, exact)
    for i in range(8):
        assert_same_distribution(np.bincount(classes[:, i], minlength=6), p)


@pytest.mark.parametrize("multiplicity", [1, 5])
def test_one_item_of_another_class_has_the_querys_label(multiplicity):
    """The item is at a uniformly random place; the others keep labels of their own classes."""
    knobs = make_knobs(num_classes=12, zipf_exponent=1.0, label_multiplicity=multiplicity)
    drawn = draw(COPY, knobs)
    is_right = drawn.labels[:, :-1] == drawn.labels[:, -1:]
    assert (is_right.sum(1) == 1).all()
    assert (context_counts(drawn.classes)[:, -1] == 0).all()
    is_own = drawn.labels // multiplicity == 11 - drawn.classes
    np.testing.assert_array_equal(is_own[:, :-1], ~is_right)
    assert is_own[:, -1].all()
    assert_same_distribution(np.bincount(is_right.argmax(1), minlength=8), np.full(8, 1 / 8))


@pytest.mark.parametrize(
    "family", [INDEPENDENT, NO_SUPPORT, SUPPORTED], ids=["any", "never", "always"]
)
def test_an_item_has_a_label_of_its_own_and_exemplars_of_a_class_differ(family):
    multiplicity = 5
    drawn = draw(family, make_knobs(num_classes=2, label_multiplicity=multiplicity))
    meaning = drawn.labels % multiplicity
    cells = multiplicity**2
    for i, j in ((0, 1), (7, 8)):
        pairs = meaning[:, i] * multiplicity + meaning[:, j]
        assert_same_distribution(np.bincount(pairs, minlength=cells), np.full(cells, 1 / cells))
        together = drawn.classes[:, i] == drawn.classes[:, j]
        pairs = drawn.exemplars[:, i] * 20 + drawn.exemplars[:, j]
        of_one = (1 - np.eye(20)).ravel() / 380
        for pick, exact in ((together, of_one), (~together, np.full(400, 1 / 400))):
            if pick.any():
                assert_same_distribution(np.bincount(pairs[pick], minlength=400), exact)
    together = drawn.classes[:, 0] == drawn.classes[:, 1]
    agree = same(meaning)[together, 0, 1]
    assert_proportion(agree.sum(), together.sum(), 1 / multiplicity)


@pytest.mark.parametrize("num_exemplars", [1, 2, 4, 20])
def test_exemplars_of_a_class_repeat_only_once_all_are_used(num_exemplars):
    drawn = draw(INDEPENDENT, make_knobs(num_classes=2, num_exemplars=num_exemplars))
    for c in range(2):
        of_class = drawn.classes == c
        number = np.cumsum(of_class, axis=1)  # of the items of the class, in order
        is_first = of_class & (number <= num_exemplars)
        codes = np.where(is_first, drawn.exemplars, 100 + np.arange(9))
        assert (num_different(codes) == 9).all()
        # The third item's exemplar, given the first two, is uniform over the others.
        if num_exemplars == 4:
            rows = is_first.sum(axis=1) >= 3
            taken = np.array(
                [
                    row[m][:3]
                    for row, m in zip(drawn.exemplars, is_first, strict=True)
                    if m.sum() >= 3
                ]
            )
            assert len(taken) == rows.sum()
            counts = np.bincount(taken @ [16, 4, 1], minlength=64)
            distinct = [len({a, b, c}) == 3 for a in range(4) for b in range(4) for c in range(4)]
            assert_same_distribution(counts, np.array(distinct) / 24)
