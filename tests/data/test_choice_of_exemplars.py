"""Which exemplars of a class a sequence shows."""

import numpy as np
import pytest
from scipy import stats

from icl.data.families.bursty import Bursty

from ..chi_square import assert_same_distribution
from .drawing import (
    BURSTY,
    INDEPENDENT,
    NAMED_FAMILIES,
    NUM,
    context_counts,
    draw,
    make_knobs,
    same,
    with_values,
)

FAMILIES = {
    "bursty": BURSTY,
    "independent": INDEPENDENT,
    **{
        name: NAMED_FAMILIES[name]
        for name in (
            "no_support",
            "fewshot_train",
            "fewshot_holdout",
            "fewshot_holdout_exemplars",
            "no_support_holdout_exemplars",
        )
    },
}


@pytest.mark.parametrize("num_exemplars", [1, 2, 20, 700])
@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_exemplars_are_uniform_at_every_place(family, num_exemplars):
    """Held-out exemplars come after those in use."""
    first = 0
    if family.holdout_exemplars:
        knobs = make_knobs(9, num_holdout_exemplars=num_exemplars)
        first = 9
    else:
        knobs = make_knobs(num_exemplars, num_holdout_exemplars=9)
    drawn = draw(family, knobs).exemplars - first
    num_items = drawn.shape[1]
    cells = num_exemplars * num_items
    assert drawn.min() >= 0
    assert drawn.max() < num_exemplars
    counts = np.bincount((drawn + num_exemplars * np.arange(num_items)).ravel(), minlength=cells)
    assert_same_distribution(counts, np.full(cells, 1 / cells))


@pytest.mark.parametrize("num_exemplars", [1, 3, 4, 20])
@pytest.mark.parametrize("name", ["bursty", "fewshot_train", "fewshot_holdout"])
def test_the_exemplars_of_a_repeated_class_differ_while_there_are_others(name, num_exemplars):
    """The query is not in context, unless its class has no more exemplars than shots."""
    family = FAMILIES[name]
    drawn = draw(family, make_knobs(num_exemplars))
    codes = drawn.classes * 1000 + drawn.exemplars
    alike = same(codes)[:, -1, :-1].any(1)
    if num_exemplars > family.pattern[0]:
        assert (same(codes).sum((1, 2)) == codes.shape[1]).all()
        return
    assert alike.all()
    of_query = drawn.classes[:, :-1] == drawn.classes[:, -1:]
    distinct = [len(set(row[mask])) for row, mask in zip(codes[:, :-1], of_query, strict=True)]
    assert (np.array(distinct) == num_exemplars).all()


# ---- copies

COPIED = {"p_matched_exemplar": 0.5, "p_copied_exemplar": 0.5}


def copies(family: Bursty, p_matched: float, p_copied: float):
    """(drawn, of the query in the context, of each way's first exemplar among its items)."""
    knobs = make_knobs(1000, **COPIED)
    knobs = with_values(knobs, p_matched_exemplar=p_matched, p_copied_exemplar=p_copied)
    drawn = draw(family, knobs)
    codes = drawn.classes * 1000 + drawn.exemplars
    return drawn, same(codes)[:, -1, :-1].sum(1), same(codes[:, :-1])


@pytest.mark.parametrize("p_copied", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("p_matched", [0.0, 0.5, 1.0])
def test_copies_in_context_and_of_the_query(p_matched, p_copied):
    """The first of three items and Binomial(2, p) others are one image, and perhaps the query."""
    drawn, of_query, alike = copies(BURSTY, p_matched, p_copied)
    exact = np.zeros(4)
    exact[0] = 1 - p_matched
    exact[1:] = p_matched * stats.binom.pmf(np.arange(3), 2, p_copied)
    assert_same_distribution(np.bincount(of_query, minlength=4), exact)
    counts = context_counts(drawn.classes)[:, :-1]
    for of_query_class in (True, False):
        is_way = (counts == 3) & (
            (drawn.classes[:, :-1] == drawn.classes[:, -1:]) == of_query_class
        )
        largest = np.where(is_way, alike.sum(2), 0).max(1)
        exact = stats.binom.pmf(np.arange(3), 2, p_copied)
        assert_same_distribution(np.bincount(largest, minlength=4)[1:], exact)
    singles = np.where(counts == 1, alike.sum(2), 1)
    assert (singles == 1).all()


def test_a_copy_may_be_anywhere_in_the_context():
    drawn, of_query, _ = copies(BURSTY, 1.0, 0.0)
    codes = drawn.classes * 1000 + drawn.exemplars
    assert (of_query == 1).all()
    place = same(codes)[:, -1, :-1].argmax(1)
    assert_same_distribution(np.bincount(place, minlength=8), np.full(8, 1 / 8))


def test_conditions_have_no_copies():
    _, of_query, alike = copies(NAMED_FAMILIES["fewshot_train"], 1.0, 1.0)
    assert (of_query == 0).all()
    assert (alike.sum((1, 2)) == 8).all()
    assert len(of_query) == NUM
