"""Marks given by hand, and each condition taken by networks whose score is known beforehand."""

import functools
import math
import zlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from icl.config import DataConfig, EvaluationConfig
from icl.config.families import NAMED
from icl.config.sources import GaussianSource, GlyphsSource, MarkovSource
from icl.data.batches import draw_indices
from icl.data.families.markov import Markov
from icl.data.knobs import make_knobs
from icl.evaluation import scores as evaluation
from icl.evaluation.conditions import make_conditions
from icl.evaluation.scores import MAX_BATCH, NUM_STRATA, evaluate, score
from icl.problems.streams import named
from icl.types import IndexSequence, Knobs, Sequence, with_nan

from ..chi_square import assert_proportion
from ..data.drawing import QUICKLY, jit_draw


def make_indices(labels, synonyms, classes=None) -> IndexSequence:
    labels, synonyms = jnp.array(labels), jnp.array(synonyms)
    classes = jnp.zeros_like(labels) if classes is None else jnp.array(classes)
    return IndexSequence(classes, jnp.zeros_like(labels), labels, synonyms, 0 * synonyms)


def knobs_of(data: DataConfig) -> Knobs:
    return make_knobs(data, data.source.num_classes, 6)


# Twelve classes of which class 0 is the commonest and owns the labels 11 K and above.
DATA = DataConfig(
    source=GlyphsSource(num_classes=20, num_exemplars=8, size=12),
    context_len=4,
    shots=2,
    ways=2,
    num_classes=12,
    num_common_classes=5,
    num_holdout_classes=5,
    num_exemplars=6,
    num_holdout_exemplars=2,
    num_holdout_pairs=9,
)
SEVERAL_LABELS = DATA.model_copy(update={"label_multiplicity": 3, "num_holdout_pairs": 0})
ENDLESS = DataConfig(
    source=GaussianSource(dim=2),
    context_len=4,
    shots=2,
    ways=2,
    num_classes=12,
    num_meanings=4,
    num_exemplars=6,
    num_holdout_classes=5,
)


# Marks.


@pytest.mark.parametrize(
    ("logits", "labels", "synonyms", "accuracy", "in_context", "is_copy", "chance"),
    [
        ([0, 9, 0, 0, 0, 0], [1, 4, 1], 1, True, True, True, 1 / 2),
        # The best label is not in context.
        ([0, 9, 0, 0, 5, 0], [2, 4, 4], 1, False, True, False, 1 / 2),
        ([0, 9, 0, 0, 5, 0], [1, 4, 4], 1, False, False, True, 1 / 2),
        # Right, but not from the context.
        ([0, 9, 0, 0, 5, 0], [2, 4, 1], 1, True, False, False, 0),
        # 0 and 1 mean the same.
        ([0, 9, 0, -1, 5, 0], [0, 3, 1], 2, True, True, False, 1 / 2),
        ([9, 0, 0, 0, 5, 0], [2, 3, 1], 2, True, False, False, 0),
        # 4 and 5 mean the same, or do not.
        ([0, 0, 0, 0, 9, 1], [2, 5, 5], 2, True, True, False, 1 / 2),
        ([0, 0, 0, 0, 9, 1], [2, 5, 5], 1, False, True, False, 1 / 2),
        # 3, 4 and 5 mean the same; of three labels in context, two.
        ([0, 0, 0, 9, 0, 1], [2, 5, 5], 3, True, True, False, 1 / 2),
        ([0, 0, 9, 0, 0, 1], [2, 5, 5], 3, False, False, True, 1 / 2),
        ([0, 0, 9, 0, 0, 1], [2, 5, 3, 5, 5], 3, False, False, True, 2 / 3),
        # Negative logits.
        ([-9, -8, -7, -3, -5, -4], [4, 5, 5], 1, False, True, False, 1 / 2),
    ],
)
def test_marks_by_hand(logits, labels, synonyms, accuracy, in_context, is_copy, chance):
    logits = jnp.array([[logits]], jnp.float32)
    marks = score(logits, make_indices([labels], [synonyms]), knobs_of(DATA))
    assert float(marks.accuracy[0]) == accuracy
    assert float(marks.accuracy_in_context[0]) == in_context
    assert float(marks.answers_in_context[0]) == is_copy
    assert float(marks.accuracy_chance[0]) == pytest.approx(synonyms / 6)
    assert float(marks.accuracy_in_context_chance[0]) == pytest.approx(chance)
    expected = math.log(np.exp(logits).sum()) - float(logits[0, 0, labels[-1]])
    assert float(marks.loss[0]) == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_marks_are_those_of_loops_in_plain_python():
    rng = np.random.default_rng(0)
    batch, context, num_labels = 500, 5, 12
    logits = rng.standard_normal((batch, 1, num_labels)).astype(np.float32)
    labels = rng.integers(num_labels, size=(batch, context + 1))
    synonyms = rng.integers(1, 5, size=batch)
    marks = score(jnp.asarray(logits), make_indices(labels, synonyms), knobs_of(DATA))
    for i in range(batch):
        own, target = logits[i, 0], labels[i, -1]
        right = [c for c in range(num_labels) if c // synonyms[i] == target // synonyms[i]]
        best = max(range(num_labels), key=lambda c, own=own: own[c])
        best_in_context = max(labels[i, :-1], key=lambda c, own=own: own[c])
        different = set(labels[i, :-1])
        assert bool(marks.accuracy[i]) == (best in right)
        assert bool(marks.accuracy_in_context[i]) == (best_in_context in right)
        assert bool(marks.answers_in_context[i]) == (best in different)
        share = len(different & set(right)) / len(different)
        assert float(marks.accuracy_in_context_chance[i]) == pytest.approx(share)


@pytest.mark.parametrize(
    ("data", "common", "rare"),
    [
        (DATA, range(7, 12), range(7)),  # the first labels are those of the rarest classes
        (SEVERAL_LABELS, range(21, 36), range(21)),
        (DATA.model_copy(update={"num_common_classes": 0}), [], range(12)),
        (DATA.model_copy(update={"num_common_classes": 99}), range(12), []),
    ],
)
def test_an_answer_is_of_a_common_a_rare_or_a_class_held_out(data, common, rare):
    count = data.num_labels
    logits = jnp.eye(count)[:, None]
    marks = score(logits, make_indices([[0, 0]] * count, [1] * count), knobs_of(data))
    assert np.flatnonzero(marks.answers_common).tolist() == list(common)
    assert np.flatnonzero(marks.answers_rare).tolist() == list(rare)


@pytest.mark.parametrize("change", [{"num_meanings": 4}, {"drift_rate": 0.1}], ids=str)
def test_meanings_that_are_shared_or_drift_have_no_frequency(change):
    knobs = knobs_of(DATA.model_copy(update=change))
    marks = score(jnp.zeros((3, 1, 4)), make_indices([[0, 1]] * 3, [1] * 3), knobs)
    assert marks.answers_common is None
    assert marks.answers_rare is None


def test_symbols_of_chains_have_no_frequency():
    data = DataConfig(source=MarkovSource(num_symbols=3), context_len=4)
    knobs = make_knobs(data, 3, 1)

    def draw(key, batch_size):
        indices = draw_indices(key, Markov(4, 3, 1.0, 0), knobs, batch_size)
        return indices, Sequence(indices.classes, indices.labels)

    def answer(sequence):
        return jnp.zeros((len(sequence.labels), 1, 3))

    scores = evaluate(jax.random.key(0), 30, draw, answer, knobs)
    assert np.isfinite(scores["accuracy"])
    for metric in ("answers_common", "answers_rare", "accuracy_by_frequency"):
        assert np.isnan(with_nan(scores[metric])).all()
        assert np.isfinite(scores[metric].values).all()


# Conditions.

NUM = 8 * MAX_BATCH
IN_DATA = [
    name
    for name, family in NAMED.items()
    if family.kind != "markov" and "novel" not in (family.classes, getattr(family, "others", ""))
]
CASES = {
    **{name: (DATA, name) for name in [*IN_DATA, "train"]},
    **{
        f"{name}, several labels": (SEVERAL_LABELS, name)
        for name in ("no_support", "supported", "flip", "bursty", "copy_available", "fewshot_train")
    },
    **{
        f"{name}, shared labels": (ENDLESS, name)
        for name in ("fewshot_novel", "bursty_novel", "flip", "no_support")
    },
}


@functools.cache
def drawn(case: str) -> tuple[IndexSequence, Knobs]:
    data, name = CASES[case]
    test = EvaluationConfig(shots=2, ways=2, conditions=(name,))
    knobs = knobs_of(data)
    return jit_draw(jax.random.key(0), make_conditions(data, test)[name], knobs, NUM), knobs


jit_score = jax.jit(score, compiler_options=QUICKLY)


def marks_of(case: str, answers: np.ndarray | None) -> dict[str, np.ndarray]:
    """Marks of a network that gives these answers, without a second choice; None: a guesser."""
    data, _ = CASES[case]
    indices, knobs = drawn(case)
    if answers is None:
        logits = jax.random.normal(jax.random.key(1), (NUM, 1, data.num_labels))
    else:
        logits = jax.nn.one_hot(answers, data.num_labels)[:, None]
    return {k: np.asarray(v) for k, v in jit_score(logits, indices, knobs)._asdict().items()}


def know(case: str) -> np.ndarray:
    """One of the labels that the query's class owns, whatever the context says."""
    data, _ = CASES[case]
    query = np.asarray(drawn(case)[0].classes[:, -1])
    if data.num_meanings:
        return query % data.num_meanings
    first_held_out = data.source.num_classes - data.num_holdout_classes
    held_out = data.num_classes + query - first_held_out
    meaning = np.where(query < data.num_classes, data.num_classes - 1 - query, held_out)
    return meaning * data.label_multiplicity + data.label_multiplicity - 1


def copy(case: str) -> np.ndarray:
    """The label of the last context item of the query's class; else of the last."""
    indices = jax.tree.map(np.asarray, drawn(case)[0])
    match = indices.classes[:, :-1] == indices.classes[:, -1:]
    place = np.where(match.any(1), 3 - match[:, ::-1].argmax(1), 3)
    return indices.labels[np.arange(NUM), place]


def settings_of(case: str) -> tuple[str, str]:
    """How it names classes, and whether the query's is in context."""
    _, name = CASES[case]
    if name == "train":
        return "own", "any"
    family = NAMED[name]
    always = "always" if family.kind != "independent" else family.support
    return getattr(family, "labels", "own"), always


@pytest.mark.parametrize("case", CASES)
def test_a_network_that_knows_all_classes_by_heart(case):
    labels, support = settings_of(case)
    marks = marks_of(case, know(case))
    if labels == "own":
        assert marks["accuracy"].all()
    elif labels == "flipped" or case == "fewshot_holdout":  # a label of no one's, or another's
        assert not marks["accuracy"].any()
    elif labels in ("uniform", "train", "common", "rare", "permuted", "assigned"):
        assert 0 <= marks["accuracy"].mean() < 0.5
    if case == "flip":
        assert not marks["accuracy_in_context"].any()
        assert marks["answers_in_context"].all()
    if support == "never" and "copy" not in case and "shared" not in case:
        assert not marks["accuracy_in_context_chance"].any()
        assert not marks["accuracy_in_context"].any()
        assert not marks["answers_in_context"].any()
    if case == "copy_available":
        assert marks["accuracy_in_context"].all()
        assert marks["answers_in_context"].all()


@pytest.mark.parametrize("case", CASES)
def test_a_network_that_copies_from_context(case):
    _, support = settings_of(case)
    marks = marks_of(case, copy(case))
    assert marks["answers_in_context"].all()
    if support == "always":
        assert marks["accuracy"].all()
        assert marks["accuracy_in_context"].all()
    elif support == "never" and "copy" not in case and "shared" not in case:
        assert not marks["accuracy"].any()
    elif case == "copy_available":  # one of the four items has the right label
        assert_proportion(marks["accuracy"].sum(), NUM, 0.25)


def test_where_a_label_can_be_copied_it_is_on_an_item_of_another_class():
    indices = jax.tree.map(np.asarray, drawn("copy_available")[0])
    assert not (indices.classes[:, :-1] == indices.classes[:, -1:]).any()
    assert ((indices.labels[:, :-1] == indices.labels[:, -1:]).sum(1) == 1).all()


@pytest.mark.parametrize("case", CASES)
def test_chance_is_what_a_guesser_gets(case):
    marks = marks_of(case, None)
    for metric in ("accuracy", "accuracy_in_context"):
        chance = marks[f"{metric}_chance"].astype(float)
        spread = math.sqrt((chance * (1 - chance)).sum())
        assert abs(marks[metric].sum() - chance.sum()) <= 5 * spread + 1e-6, metric


@pytest.mark.parametrize(
    ("case", "in_context"), [("fewshot_holdout", 1 / 2), ("flip", 1 / 2), ("no_support", 0)]
)
def test_chance_levels(case, in_context):
    marks = marks_of(case, None)
    np.testing.assert_allclose(marks["accuracy_chance"], 1 / 17)
    np.testing.assert_allclose(marks["accuracy_in_context_chance"], in_context)


def test_labels_are_of_the_classes_that_a_condition_says():
    """DATA's 17 labels: 7 of rare classes, 5 of common ones, 5 of those held out."""
    for case, labels in (
        ("fewshot_unused_labels", range(12, 17)),
        ("fewshot_common_labels", range(7, 12)),
        ("fewshot_rare_labels", range(7)),
        ("fewshot_uniform_labels", range(12)),
        ("fewshot_holdout", range(2)),
    ):
        assert set(np.unique(drawn(case)[0].labels)) == set(labels)
        marks = marks_of(case, copy(case))
        is_common = min(labels) >= 7 and max(labels) < 12
        if is_common or max(labels) < 7 or min(labels) >= 12:
            assert (marks["answers_common"] == is_common).all()
            assert (marks["answers_rare"] == (max(labels) < 7)).all()


# Means and their errors.


def test_standard_errors_are_the_spread_of_repeated_evaluations():
    def draw(key, batch_size):
        logit_key, label_key = jax.random.split(key)
        labels = jax.random.randint(label_key, (batch_size, 4), 0, 3)
        indices = make_indices(labels, jnp.ones(batch_size, jnp.int32))
        return indices, Sequence(jax.random.normal(logit_key, (batch_size, 4, 3)), labels)

    @jax.jit
    @jax.vmap
    def repeat(key):
        answer = lambda sequence: 3 * sequence.exemplars[:, -1:]  # noqa: E731
        return evaluate(key, 50, draw, answer, knobs_of(DATA))

    scores = repeat(jax.random.split(jax.random.key(2), 2000))
    for metric in ("accuracy", "accuracy_in_context", "loss"):
        spread = float(np.std(scores[metric]))
        typical = math.sqrt(np.mean(np.square(scores[f"{metric}_stderr"])))
        assert typical == pytest.approx(spread, rel=0.06), metric


@pytest.mark.parametrize(
    ("num_sequences", "right"),
    [(1, 1), (3, 2), (4, 2), (5, 3), (10, 6), (11, 6), (12, 6)],
)
def test_exactly_as_many_sequences_count_as_were_asked_for(monkeypatch, num_sequences, right):
    """The first two of each batch of four are right."""
    monkeypatch.setattr(evaluation, "MAX_BATCH", 4)
    sizes = []

    def draw(key, batch_size):
        sizes.append(batch_size)
        indices = make_indices([[1, 1], [1, 1], [1, 0], [1, 0]][:batch_size], [1] * batch_size)
        return indices, Sequence(jnp.zeros((batch_size, 2, 1)), indices.labels)

    def answer(sequence):
        return jnp.tile(jnp.array([0.0, 1.0]), (len(sequence.labels), 1, 1))

    scores = evaluate(jax.random.key(0), num_sequences, draw, answer, knobs_of(DATA))
    if num_sequences == 3:  # one batch of three
        assert sizes[0] == 3
    assert max(sizes) <= 4
    mean = right / num_sequences
    assert float(scores["accuracy"]) == pytest.approx(mean)
    assert float(scores["accuracy_stderr"]) == pytest.approx(
        math.sqrt(mean * (1 - mean) / num_sequences), abs=1e-6
    )


def test_memory_is_bounded_whatever_the_number_of_sequences():
    sizes = []

    def draw(key, batch_size):
        sizes.append(batch_size)
        indices = make_indices(np.zeros((batch_size, 2), int), np.ones(batch_size, int))
        return indices, Sequence(jnp.zeros((batch_size, 2, 1)), indices.labels)

    def run(num_sequences):
        return evaluate(
            jax.random.key(0),
            num_sequences,
            draw,
            lambda sequence: jnp.zeros((len(sequence.labels), 1, 3)),
            knobs_of(DATA),
        )

    scores = jax.eval_shape(lambda: run(10**6 + 1))
    assert max(sizes) <= MAX_BATCH
    assert scores.pop("accuracy_by_frequency").values.shape == (NUM_STRATA,)
    assert all(value.shape == () for value in scores.values())


@pytest.mark.parametrize(("num_classes", "bounds"), [(20, range(0, 21, 2)), (12, None), (4, None)])
def test_accuracy_by_frequency_is_that_of_each_tenth(num_classes, bounds):
    """Query i is of class i, answered right where 3 divides i; the last five are held out."""
    data = DATA.model_copy(update={"num_classes": num_classes, "source": GlyphsSource()})
    classes = np.arange(num_classes + 5)
    right = classes % 3 == 0

    def draw(key, batch_size):
        indices = make_indices(
            np.ones((batch_size, 2), int),
            np.ones(batch_size, int),
            np.stack([classes, classes], 1),
        )
        return indices, Sequence(jnp.asarray(right)[:, None], indices.labels)

    def answer(sequence):
        return jax.nn.one_hot(sequence.exemplars[:, -1:].astype(jnp.int32), 2)

    scores = evaluate(jax.random.key(0), len(classes), draw, answer, knobs_of(data))
    assert float(scores["accuracy"]) == pytest.approx(right.mean())
    for tenth, value in enumerate(with_nan(scores["accuracy_by_frequency"])):
        first, end = tenth * num_classes // 10, (tenth + 1) * num_classes // 10
        if bounds:
            assert (first, end) == (bounds[tenth], bounds[tenth + 1])
        assert np.isnan(value) if first == end else value == pytest.approx(right[first:end].mean())


# Keys.


def record_keys(key: jax.Array, name: str, num_sequences: int = 2 * MAX_BATCH) -> set[tuple]:
    """The keys with which a condition draws its batches."""
    seen = []

    def draw(batch_key, batch_size):
        jax.debug.callback(
            lambda data: seen.append(tuple(np.asarray(data).tolist())),
            jax.random.key_data(batch_key),
        )
        indices = make_indices(np.zeros((batch_size, 2), int), np.ones(batch_size, int))
        return indices, Sequence(jnp.zeros((batch_size, 2, 1)), indices.labels)

    answer = lambda sequence: jnp.zeros((len(sequence.labels), 1, 3))  # noqa: E731
    evaluate(named(key, name), num_sequences, draw, answer, knobs_of(DATA))
    jax.effects_barrier()
    assert len(set(seen)) == len(seen) == math.ceil(num_sequences / MAX_BATCH)
    return set(seen)


def test_each_condition_and_each_evaluation_draws_with_keys_of_its_own():
    key, other = jax.random.split(jax.random.key(0))
    names = ["no_support", "train", "a condition to come"]
    keys = [record_keys(k, name) for k in (key, other) for name in names]
    assert len(set().union(*keys)) == sum(map(len, keys))
    # A function of the key and the name alone: neither order nor other conditions enter.
    assert record_keys(key, names[0]) == keys[0]
    assert len({zlib.crc32(name.encode()) for name in [*NAMED, *names]}) == len({*NAMED, *names})
