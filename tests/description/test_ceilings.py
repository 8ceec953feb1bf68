"""Ideal learners: their marks against plain loops, and the formulas against their marks."""

import itertools
import math

import jax.numpy as jnp
import numpy as np
import pytest

from icl.config.families import NAMED, IndependentFamily
from icl.description import ceilings
from icl.description.combining import combined
from icl.description.samples import draw_sample
from icl.description.sequences import exact, is_known, learned
from icl.description.votes import most_frequent
from icl.evaluation.scores import score
from icl.types import IndexSequence

from .samples import NUM_SEQUENCES, TRAINING, parts_of, training_sample

Z = 5.1  # standard errors that a normal number exceeds with a probability below 1e-6


def make_indices(count: int = 300, multiplicity: int = 2) -> IndexSequence:
    """Sequences without any order in them, of eight items, five classes and nine labels."""
    rng = np.random.default_rng(0)
    classes, labels = rng.integers(5, size=(count, 8)), rng.integers(9, size=(count, 8))
    synonyms = rng.choice([1, multiplicity], count)
    return IndexSequence(classes, np.zeros_like(classes), labels, synonyms, np.zeros_like(synonyms))


def rows(indices: IndexSequence):
    """Classes and labels of the context, the query's class, and what is right, of each."""
    for classes, labels, synonyms in zip(
        indices.classes.tolist(), indices.labels.tolist(), indices.synonyms.tolist(), strict=True
    ):
        right = {label for label in range(12) if label // synonyms == labels[-1] // synonyms}
        yield classes[:-1], labels[:-1], classes[-1], right


def share(candidates, right) -> float:
    return sum(c in right for c in candidates) / len(candidates)


def test_in_context_is_a_vote_of_the_items_of_the_class():
    indices, expected = make_indices(), []
    for classes, labels, query, right in rows(indices):
        votes = [label for c, label in zip(classes, labels, strict=True) if c == query]
        most = max((votes.count(label) for label in votes), default=0)
        winners = {label for label in votes if votes.count(label) == most} or set(labels)
        expected.append(share(winners, right))
    marks = ceilings.in_context(indices)
    np.testing.assert_allclose(marks.accuracy, expected)
    np.testing.assert_allclose(marks.accuracy_in_context, expected)


def test_nearest_neighbour_copies_the_nearest():
    indices, rng = make_indices(), np.random.default_rng(1)
    items = rng.integers(3, size=(300, 8, 2, 2)).astype(np.float32)  # with many ties
    distances = np.asarray(ceilings.distances_to_query(jnp.asarray(items)))
    by_numpy = np.sqrt(((items[:, :-1] - items[:, -1:]) ** 2).sum(axis=(2, 3)))
    np.testing.assert_allclose(distances, by_numpy, rtol=1e-6)
    expected = []
    for own, (_, labels, _, right) in zip(distances, rows(indices), strict=True):
        nearest = [label for d, label in zip(own, labels, strict=True) if d == own.min()]
        expected.append(share(nearest, right))
    np.testing.assert_allclose(ceilings.nearest_neighbour(indices, distances).accuracy, expected)


def test_symbols_are_near_where_they_are_equal():
    symbols = jnp.array([[3, 9, 3, 4, 3]])
    assert ceilings.distances_to_query(symbols).tolist() == [[0, 1, 0, 1]]


def test_in_weights_is_by_heart_and_a_constant_elsewhere():
    """Classes 0 and 1 are known: of 30 classes of multiplicity 1 they mean 29 and 28."""
    parts = parts_of()
    knowledge = ceilings.Knowledge([(0, 2)], parts.knobs)
    indices = make_indices(multiplicity=1)
    indices.labels[indices.labels >= 7] += 21  # 28 and 29
    often = np.bincount(indices.labels[indices.classes[:, -1] >= 2, -1], minlength=40)
    overall, among = [], []
    for (classes, labels), target in zip(
        zip(indices.classes.tolist(), indices.labels[:, :-1].tolist(), strict=True),
        indices.labels[:, -1].tolist(),
        strict=True,
    ):
        own = 29 - classes[-1]
        if classes[-1] < 2:
            overall.append(own == target)
            among.append(share({own} if own in labels else set(labels), {target}))
        else:
            overall.append(np.argmax(often) == target)
            best = max(often[label] for label in labels)
            among.append(share({label for label in labels if often[label] == best}, {target}))
    marks = ceilings.in_weights(indices, knowledge, indices)
    np.testing.assert_allclose(marks.accuracy, overall)
    np.testing.assert_allclose(marks.accuracy_in_context, among)


def test_combined_takes_the_better_in_each_cell():
    indices = make_indices()
    rng = np.random.default_rng(3)
    copied, known = (ceilings.Ceiling(*rng.random((2, 300))) for _ in range(2))
    by_heart = rng.random(300) < 0.5
    marks = combined(indices, copied, known, by_heart)
    is_there = np.array([query in classes for classes, _, query, _ in rows(indices)])
    for metric in ("accuracy", "accuracy_in_context"):
        got, both = getattr(marks, metric), [getattr(m, metric) for m in (copied, known)]
        assert got.mean() >= max(part.mean() for part in both)
        for there, heart in itertools.product((False, True), repeat=2):
            cell = (is_there == there) & (by_heart == heart)
            best = max(both, key=lambda part, cell=cell: part[cell].mean())
            np.testing.assert_array_equal(got[cell], best[cell])


def test_marks_are_those_of_an_evaluation():
    """Networks that are sure of one label, and chance."""
    indices, parts = make_indices(), parts_of()
    indices = indices._replace(synonyms=np.ones(300, int))
    logits = np.random.default_rng(2).standard_normal((300, 1, 37)).astype(np.float32)
    device = IndexSequence(*map(jnp.asarray, indices))
    marked = score(jnp.asarray(logits), device, parts.knobs)
    right = ceilings.is_right(logits[:, 0].argmax(axis=1), indices)
    np.testing.assert_allclose(marked.accuracy, right)
    context = ceilings.read_context(indices)
    of_context = np.take_along_axis(logits[:, 0], context.labels, axis=1)
    best = of_context == of_context.max(axis=1, keepdims=True)
    np.testing.assert_allclose(marked.accuracy_in_context, ceilings.one_of(context, best))
    levels = ceilings.chance(indices, 37)
    np.testing.assert_allclose(marked.accuracy_chance, levels.accuracy, rtol=1e-6)
    in_context = levels.accuracy_in_context
    np.testing.assert_allclose(marked.accuracy_in_context_chance, in_context, rtol=1e-6)


@pytest.mark.parametrize(
    ("votes", "special", "p_special", "others"), [(1, 1, 0.4, 3), (4, 2, 0.2, 3), (5, 1, 0.05, 2)]
)
def test_votes_by_exhaustion(votes: int, special: int, p_special: float, others: int):
    p_other = (1 - special * p_special) / others
    expected = 0.0
    for cast in itertools.product(range(special + others), repeat=votes):
        counts = np.bincount(cast, minlength=special + others)
        winners = np.flatnonzero(counts == counts.max())
        weight = math.prod(p_special if vote < special else p_other for vote in cast)
        expected += weight * np.mean(winners < special)
    assert most_frequent(votes, special, p_special, others, p_other) == pytest.approx(expected)


def assert_exact(parts, name: str, sample: IndexSequence, at_least: int) -> None:
    """Formulas are right within Z standard errors, and there are so many."""
    copied = ceilings.in_context(sample)
    known = learned(parts, sample, sample)
    marks = {
        "in_context": copied,
        "in_weights": known,
        "combined": combined(sample, copied, known, is_known(parts, sample)),
    }
    for metric in ("accuracy", "accuracy_in_context"):
        means = {learner: getattr(mark, metric).mean() for learner, mark in marks.items()}
        assert means["combined"] >= max(means["in_context"], means["in_weights"]) - 1e-12
        formulas = {learner: getattr(e, metric) for learner, e in exact(parts, name).items()}
        if formulas["combined"] is not None:
            for learner in ("in_context", "in_weights"):
                assert formulas["combined"] >= (formulas[learner] or 0) - 1e-12
    found = 0
    for learner, formulas in exact(parts, name).items():
        for metric, value in formulas._asdict().items():
            if value is None:
                continue
            found += 1
            measured = float(np.mean(getattr(marks[learner], metric)))
            # No marks between 0 and 1 spread more than zeros and ones of the same mean.
            error = math.sqrt(max(value * (1 - value), 0) / NUM_SEQUENCES)
            rare = 12 / NUM_SEQUENCES if error else 1e-9
            assert abs(measured - value) <= Z * error + rare, (learner, metric, measured, value)
    assert found >= at_least


# Formulas there are, of six.
NUM_EXACT = {
    "noise": 4,
    "noise and support": 4,
    "unreliable cues": 4,
    "rare and common": 4,
    "new images of rare classes": 2,
    "permuted": 4,
}


@pytest.mark.parametrize("name", TRAINING)
def test_formulas_of_training_distributions(name: str):
    parts, sample = training_sample(name)
    assert_exact(parts, "train", sample, NUM_EXACT.get(name, 6))


CONDITIONS = (
    "fewshot_holdout",
    "fewshot_train",
    "fewshot_rare",
    "fewshot_uniform_labels",
    "fewshot_frequent_labels",
    "fewshot_rare_labels",
    "fewshot_unused_labels",
    "no_support",
    "no_support_common",
    "no_support_distinct",
    "flip",
    "copy_available",
    "supported",
    "bursty_rare",
)
OWN = {
    "few_own": "{kind: few_shot, classes: holdout, labels: own}",
    "few_common": "{kind: few_shot, labels: common}",
    "few_permuted": "{kind: few_shot, labels: permuted}",
}
NAMES = [*CONDITIONS, *OWN]
MORE = f"data.families={{{', '.join(f'{name}: {family}' for name, family in OWN.items())}}}"
ZIPF = ("data.zipf_exponent=1", "data.label_multiplicity=3", "data.num_permuted_labels=20")


@pytest.mark.parametrize(
    ("name", "overrides"),
    [(name, ZIPF) for name in NAMES] + [("fewshot_train", ()), ("fewshot_rare_labels", ())],
)
def test_formulas_of_conditions(name: str, overrides: tuple[str, ...]):
    parts = parts_of(MORE, f"evaluation.conditions=[{name}]", *overrides)
    sample = draw_sample(parts, name, parts.conditions[name], NUM_SEQUENCES)
    is_open = isinstance(NAMED.get(name), IndependentFamily) and name != "no_support"
    assert_exact(parts, name, sample, 4 if is_open or "labels" in name else 5)


def test_what_was_never_trained_is_not_known():
    parts = parts_of("data.mixture={common_uniform: 1}")
    knowledge = ceilings.make_knowledge(parts.config.data, parts.knobs)
    assert knowledge.meanings(np.array([0, 9, 10, 33])).tolist() == [29, 20, -1, -1]
    assert exact(parts, "no_support")["in_weights"].accuracy is None
    permuted = parts_of("data.mixture={bursty_permuted: 1}")
    assert ceilings.make_knowledge(permuted.config.data, permuted.knobs).learned == []


def test_formulas_are_silent_where_there_is_none():
    parts, _ = training_sample("noise")
    for metric in ("accuracy", "accuracy_in_context"):
        assert getattr(exact(parts, "train")["in_context"], metric) is not None
    noisy = parts_of("data.label_noise=0.2", "data.p_bursty=0.5")
    assert exact(noisy, "train")["in_context"].accuracy is None
    assert exact(noisy, "train")["combined"].accuracy is not None
    assert set(exact(noisy, "train")) == {"in_context", "in_weights", "combined"}


def test_chains_are_known_by_what_follows_a_symbol():
    """One chain: its rows can be learned by heart, as well as from the context, or better."""
    markov = (
        "data.source={kind: markov, num_symbols: 3, num_chains: 1, concentration: 0.3}",
        "evaluation.conditions=[markov_novel]",
        "data.num_holdout_classes=0",
        "data.context_len=10",
    )
    parts = parts_of(*markov)
    sample = draw_sample(parts, "train", parts.families["train"], NUM_SEQUENCES)
    table = ceilings.count_followers(sample, 3)
    best = table.argmax(axis=1)
    known = learned(parts, sample, sample).accuracy
    expected = best[sample.classes[:, -1]] == sample.labels[:, -1]
    assert np.mean(known == expected) > 0.99
    assert known.mean() > ceilings.in_context(sample).accuracy.mean() - 0.01


NOISY = {
    "unreliable": ("data.cue_reliability=0.1",),
    "noise": ("data.label_noise=0.3", "data.label_multiplicity=2"),
    "noise and Zipf": ("data.label_noise=0.3", "data.zipf_exponent=1.5", "data.p_bursty=0.5"),
    "irrelevant": ("data.p_relevant=0.3", "data.mixture={bursty: 1, bursty_permuted: 1}"),
    "rare images": (*TRAINING["new images of rare classes"], "data.label_noise=0.5"),
    "label there": (
        "data.families={mine: {kind: independent, copy_label: true, support: never}}",
        "data.mixture={bursty: 1, mine: 1}",
        "data.cue_reliability=0.5",
    ),
    "shared": ("data.num_meanings=3", "data.p_bursty=0.2", "data.cue_reliability=0.3"),
}


# What the others are made of.
QUICK = ("noise and Zipf", "rare images", "label there")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in NOISY],
)
def test_the_combination_is_no_worse_than_its_parts(name: str):
    parts = parts_of(*NOISY[name])
    sample = draw_sample(parts, "train", parts.families["train"], NUM_SEQUENCES)
    assert_exact(parts, "train", sample, 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [("unreliable", 1.0), ("noise", 0.7 + 0.3 * 2 / 60), ("noise and Zipf", 0.71)],
)
def test_where_the_context_misleads_the_combination_knows_by_heart(name: str, value: float):
    formulas = exact(parts_of(*NOISY[name]), "train")
    assert formulas["combined"].accuracy == pytest.approx(value)
    assert formulas["in_weights"].accuracy == pytest.approx(value)


def test_symbols_of_new_chains_are_learned_from_few_sequences():
    """No symbol is known by what followed it in the very sequence that is scored."""
    parts = parts_of(
        "data.source={kind: markov, num_symbols: 64}",
        "evaluation.conditions=[markov]",
        "data.num_holdout_classes=0",
    )
    sample = draw_sample(parts, "train", parts.families["train"], 200)
    assert learned(parts, sample, sample).accuracy.mean() < 0.1
    table = np.random.default_rng(0).random((5, 5))
    means = [table[np.ix_(order, order)] for order in itertools.permutations(range(5))]
    np.testing.assert_allclose(ceilings.alike(table), np.mean(means, axis=0))
