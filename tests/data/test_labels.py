"""Labels: own, flipped, assigned, permuted, of other classes, shared, and noisy."""

import math

import numpy as np
import pytest

from icl.config import DataConfig, EvaluationConfig
from icl.config.families import NAMED, FewShotFamily
from icl.data.families import make_family
from icl.data.families.bursty import Bursty
from icl.data.families.mixture import Mixture

from ..chi_square import assert_independent, assert_proportion, assert_same_distribution
from . import reference
from .drawing import (
    BURSTY,
    INDEPENDENT,
    NAMED_FAMILIES,
    NUM,
    context_counts,
    draw,
    first_item,
    make_data,
    make_knobs,
    same,
    with_values,
)

FEWSHOT = NAMED_FAMILIES["fewshot_train"]
THREE_WAYS = Bursty((1, 1, 2), labels="assigned")


def uniform(count: int) -> np.ndarray:
    return np.full(count, 1 / count)


def other_item(drawn) -> np.ndarray:
    """The place of the first item of another class than the query's that comes as often."""
    counts = context_counts(drawn.classes)
    is_other = drawn.classes[:, :-1] != drawn.classes[:, -1:]
    return first_item(is_other & (counts[:, :-1] == counts[:, -1:]))


# ---- a class's own


@pytest.mark.parametrize("multiplicity", [1, 2, 5, 64])
def test_a_class_has_one_label_throughout_a_bursty_sequence(multiplicity):
    drawn = draw(BURSTY, make_knobs(label_multiplicity=multiplicity))
    np.testing.assert_array_equal(same(drawn.labels), same(drawn.classes))
    np.testing.assert_array_equal(drawn.labels // multiplicity, 49 - drawn.classes)
    assert (drawn.synonyms == multiplicity).all()
    which = drawn.labels % multiplicity
    for labels in (which[:, -1], which[np.arange(NUM), other_item(drawn)]):
        counts = np.bincount(labels, minlength=multiplicity)
        assert_same_distribution(counts, uniform(multiplicity))
    if multiplicity in (2, 5):
        pairs = which[:, -1] * multiplicity + which[np.arange(NUM), other_item(drawn)]
        counts = np.bincount(pairs, minlength=multiplicity**2)
        assert_same_distribution(counts, uniform(multiplicity**2))


@pytest.mark.parametrize(("num_classes", "multiplicity"), [(5, 1024), (50, 64), (64, 3)])
def test_every_label_is_used(num_classes, multiplicity):
    knobs = make_knobs(num_classes=num_classes, label_multiplicity=multiplicity)
    count = num_classes * multiplicity
    counts = np.bincount(draw(INDEPENDENT, knobs).labels.ravel(), minlength=count)
    assert_same_distribution(counts, uniform(count))


@pytest.mark.parametrize("multiplicity", [1, 3])
def test_flipped_labels_are_those_of_the_other_way(multiplicity):
    drawn = draw(NAMED_FAMILIES["flip"], make_knobs(label_multiplicity=multiplicity))
    own = drawn.labels // multiplicity
    np.testing.assert_array_equal(own[:, :-1], 49 - _other_way(drawn.classes[:, :-1]))
    other = drawn.classes[np.arange(NUM), other_item(drawn)]
    np.testing.assert_array_equal(own[:, -1], 49 - other)
    np.testing.assert_array_equal(same(drawn.labels), same(drawn.classes))
    counts = np.bincount(drawn.labels[:, -1] % multiplicity, minlength=multiplicity)
    assert_same_distribution(counts, uniform(multiplicity))


def _other_way(classes: np.ndarray) -> np.ndarray:
    """The other one of two classes, for each item of a row."""
    return classes.max(1, keepdims=True) + classes.min(1, keepdims=True) - classes


def test_flipping_moves_the_labels_of_the_ways_on_and_leaves_the_others():
    drawn = draw(Bursty((4, 3, 2, 1), labels="flipped"), make_knobs())
    own = 49 - drawn.classes
    counts = context_counts(drawn.classes)
    label_of = {n: own[np.arange(NUM), first_item(counts[:, :-1] == n)] for n in (1, 2, 3, 4)}
    for shots, donor in ((4, 2), (3, 4), (2, 3), (1, 1)):
        expected = np.broadcast_to(label_of[donor][:, None], own.shape)
        is_of_class = counts == shots
        np.testing.assert_array_equal(drawn.labels[is_of_class], expected[is_of_class])


@pytest.mark.parametrize("ways", [2, 5])
def test_of_one_shot_too_all_labels_are_exchanged(ways):
    config = FewShotFamily(shots=1, ways=ways, labels="flipped")
    drawn = draw(make_family(config, DataConfig(), EvaluationConfig()), make_knobs())
    own = 49 - drawn.classes
    assert (drawn.labels != own).all()
    np.testing.assert_array_equal(np.sort(drawn.labels[:, :-1]), np.sort(own[:, :-1]))
    np.testing.assert_array_equal(same(drawn.labels), same(drawn.classes))


# ---- labels for one sequence


@pytest.mark.parametrize("name", ["fewshot_train", "fewshot_holdout", "fewshot_holdout_exemplars"])
def test_assigned_labels_are_balanced_and_independent_of_class(name):
    drawn = draw(
        NAMED_FAMILIES[name], make_knobs(num_classes=10, zipf_exponent=1.0, num_holdout_exemplars=8)
    )
    labels = drawn.labels[:, -1]
    assert set(drawn.labels.ravel()) == {0, 1}
    assert_same_distribution(np.bincount(labels), uniform(2))
    assert_independent(np.histogram2d(drawn.classes[:, -1], labels, [64, 2])[0])
    place = first_item(drawn.classes[:, :-1] == drawn.classes[:, -1:])
    assert_independent(np.histogram2d(place, labels, [np.arange(10), 2])[0])


def test_three_labels_are_assigned_in_all_orders():
    drawn = draw(THREE_WAYS, make_knobs(num_classes=10, zipf_exponent=1.0))
    np.testing.assert_array_equal(same(drawn.labels), same(drawn.classes))
    double = first_item(context_counts(drawn.classes)[:, :-1] == 2)
    pairs = drawn.labels[:, -1] * 3 + drawn.labels[np.arange(NUM), double]
    assert_same_distribution(np.bincount(pairs, minlength=9), (1 - np.eye(3)) / 6)


@pytest.mark.parametrize("num_labels", [4, 7, 50])
def test_permuted_labels_are_different_ones_of_the_first(num_labels):
    """Labels of four classes: each pair is as frequent, whatever the class."""
    knobs = make_knobs(zipf_exponent=1.0, num_permuted_labels=num_labels)
    drawn = draw(NAMED_FAMILIES["bursty_permuted"], knobs)
    np.testing.assert_array_equal(same(drawn.labels), same(drawn.classes))
    other = drawn.labels[np.arange(NUM), other_item(drawn)]
    cells = num_labels**2
    exact = (1 - np.eye(num_labels)) / (num_labels * (num_labels - 1))
    counts = np.bincount(drawn.labels[:, -1] * num_labels + other, minlength=cells)
    assert_same_distribution(counts, exact)
    is_common = drawn.classes[:, -1] < 5
    assert_independent(np.histogram2d(is_common, drawn.labels[:, -1], [2, num_labels])[0])


@pytest.mark.parametrize("num_holdout_pairs", [1, 6])
def test_trained_and_held_out_pairs_of_labels_never_meet(num_holdout_pairs):
    """All occur, each in both orders, uniformly; and they do not depend on the key."""
    knobs = make_knobs(num_permuted_labels=6, num_holdout_pairs=num_holdout_pairs)
    families = {
        math.comb(6, 2) - num_holdout_pairs: Bursty((4, 4), labels="permuted", is_training=True),
        num_holdout_pairs: NAMED_FAMILIES["fewshot_holdout_pairs"],
    }
    found = []
    for num_pairs, family in families.items():
        drawn = draw(family, knobs)
        np.testing.assert_array_equal(same(drawn.labels), same(drawn.classes))
        other = drawn.labels[np.arange(NUM), other_item(drawn)]
        pairs, counts = np.unique(drawn.labels[:, -1] * 6 + other, return_counts=True)
        assert len(pairs) == 2 * num_pairs
        assert_same_distribution(counts, uniform(2 * num_pairs))
        found.append(set(pairs))
    assert not found[0] & found[1]
    assert len(found[0] | found[1]) == 30


@pytest.mark.parametrize(
    ("name", "pool"),
    [
        ("fewshot_uniform_labels", "uniform"),
        ("fewshot_frequent_labels", "train"),
        ("fewshot_common_labels", "common"),
        ("fewshot_rare_labels", "rare"),
        ("fewshot_unused_labels", "holdout"),
    ],
)
def test_labels_of_other_classes(name, pool):
    """Two classes drawn from the pool one after the other lend one of their labels each."""
    setting = reference.Setting(
        10, 1.0, num_common_classes=4, num_holdout_classes=5, label_multiplicity=3
    )
    knobs = make_knobs(
        num_classes=10,
        zipf_exponent=1.0,
        num_common_classes=4,
        num_holdout_classes=5,
        label_multiplicity=3,
    )
    drawn = draw(NAMED_FAMILIES[name], knobs)
    np.testing.assert_array_equal(same(drawn.labels), same(drawn.classes))
    assert (drawn.synonyms == 1).all()
    first, p = reference.pool_probabilities(setting, pool)
    exact = np.zeros((15, 15))
    for a in range(len(p)):
        for b in range(len(p)):
            if a != b:
                owners = (
                    reference.meaning(setting, first + a),
                    reference.meaning(setting, first + b),
                )
                exact[owners] = p[a] * p[b] / (1 - p[a])
    label, other = drawn.labels[:, -1], drawn.labels[np.arange(NUM), other_item(drawn)]
    counts = np.bincount(label // 3 * 15 + other // 3, minlength=225)
    assert_same_distribution(counts, exact)
    assert_same_distribution(np.bincount(label % 3 * 3 + other % 3, minlength=9), uniform(9))
    assert_independent(np.histogram2d(drawn.classes[:, -1], label // 3, [np.arange(59, 65), 15])[0])


# ---- meanings shared by classes


@pytest.mark.parametrize("multiplicity", [1, 4])
def test_classes_share_meanings(multiplicity):
    """Class c means c modulo 5."""
    knobs = make_knobs(num_classes=20, num_meanings=5, label_multiplicity=multiplicity)
    drawn = draw(BURSTY, knobs)
    np.testing.assert_array_equal(drawn.labels // multiplicity, drawn.classes % 5)
    is_one_class = same(drawn.classes)
    assert same(drawn.labels)[is_one_class].all()
    assert same(drawn.labels // multiplicity)[~is_one_class].any()


@pytest.mark.parametrize("num_meanings", [4, 5, 10])
def test_classes_of_different_meanings(num_meanings):
    """The other classes are uniform over those that mean something else."""
    family = Bursty((3, 3, 1, 1), distinct_labels=True)
    drawn = draw(family, make_knobs(num_classes=20, num_meanings=num_meanings))
    np.testing.assert_array_equal(drawn.labels, drawn.classes % num_meanings)
    np.testing.assert_array_equal(same(drawn.labels), same(drawn.classes))
    query, other = drawn.classes[:, -1], drawn.classes[np.arange(NUM), other_item(drawn)]
    meanings = np.arange(20) % num_meanings
    exact = (meanings[:, None] != meanings[None]).astype(float)
    counts = np.bincount(query * 20 + other, minlength=400)
    assert_same_distribution(counts, exact / exact.sum())


def test_flipped_labels_differ_even_where_meanings_are_shared():
    data = make_data(num_classes=20, num_meanings=4)
    family = make_family(NAMED["flip"], data, EvaluationConfig())
    drawn = draw(family, make_knobs(num_classes=20, num_meanings=4))
    np.testing.assert_array_equal(same(drawn.labels), same(drawn.classes))
    assert (drawn.labels != drawn.classes % 4).all()


# ---- noisy labels and unreliable cues

NOISY_MIXTURE = Mixture((BURSTY,))
# 50 classes with two labels each, of which 14 held-out ones make another 28.
NOISY = {"label_multiplicity": 2, "label_noise": 0.5, "cue_reliability": 0.5}


def draw_noisy(label_noise: float, cue_reliability: float):
    """(drawn, is_own): which labels are of the item's own class."""
    knobs = with_values(
        make_knobs(**NOISY), label_noise=label_noise, cue_reliability=cue_reliability
    )
    drawn = draw(NOISY_MIXTURE, knobs)
    return drawn, drawn.labels // 2 == 49 - drawn.classes


def test_labels_without_noise():
    drawn, is_own = draw_noisy(0.0, 1.0)
    assert is_own.all()
    np.testing.assert_array_equal(same(drawn.labels), same(drawn.classes))


@pytest.mark.parametrize("noise", [0.25, 1.0])
def test_label_noise_redraws_every_label_alike(noise):
    """A label drawn anew is one of 100, two of which are the class's own."""
    drawn, is_own = draw_noisy(noise, 1.0)
    for i in range(9):
        assert_proportion(is_own[:, i].sum(), NUM, 1 - noise * 0.98)
    assert_independent(np.histogram2d(is_own[:, 0], is_own[:, -1], [2, 2])[0])
    assert_independent(np.histogram2d(is_own[:, 3], is_own[:, 4], [2, 2])[0])
    if noise == 1:
        assert_same_distribution(np.bincount(drawn.labels.ravel(), minlength=100), uniform(100))


@pytest.mark.parametrize("reliability", [0.0, 0.75])
def test_cue_reliability_leaves_the_query_alone(reliability):
    drawn, is_own = draw_noisy(0.0, reliability)
    assert is_own[:, -1].all()
    for i in range(8):
        assert_proportion(is_own[:, i].sum(), NUM, 1 - (1 - reliability) * 0.98)
    assert_independent(np.histogram2d(is_own[:, 0], is_own[:, 7], [2, 2])[0])
    if reliability == 0:
        counts = np.bincount(drawn.labels[:, :-1].ravel(), minlength=100)
        assert_same_distribution(counts, uniform(100))


def test_conditions_are_never_noisy():
    knobs = with_values(make_knobs(**NOISY), label_noise=1.0, cue_reliability=0.0)
    drawn = draw(FEWSHOT, knobs)
    np.testing.assert_array_equal(same(drawn.labels), same(drawn.classes))
