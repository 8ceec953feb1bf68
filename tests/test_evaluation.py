"""Marks given by hand, and each condition taken by networks whose score is known beforehand."""

import math
import zlib
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from icl import evaluation
from icl.config import DataConfig, EvaluationConfig, GlyphsSource
from icl.data.sequences import draw_indices
from icl.evaluation import CONDITIONS, MAX_BATCH, evaluate, score
from icl.experiment import make_knobs
from icl.types import IndexSequence, Sequence


def make_indices(labels: list[list[int]], meanings: list[int]) -> IndexSequence:
    labels = jnp.array(labels)
    filler = jnp.zeros_like(labels)
    return IndexSequence(filler, filler, labels, jnp.zeros(len(labels), bool), jnp.array(meanings))


pytestmark = pytest.mark.usefixtures("quick_compilation")


# Marks.


@pytest.mark.parametrize(
    ("logits", "labels", "meanings", "accuracy", "in_context"),
    [
        ([0, 9, 0, 0, 0, 0], [1, 4, 1], 1, True, True),
        ([0, 9, 0, 0, 5, 0], [2, 4, 4], 1, False, True),  # the best label is not in context
        ([0, 9, 0, 0, 5, 0], [1, 4, 4], 1, False, False),
        ([0, 9, 0, 0, 5, 0], [2, 4, 1], 1, True, False),  # right, but not from the context
        ([0, 9, 0, -1, 5, 0], [0, 3, 1], 2, True, True),  # 0 and 1 mean the same
        ([9, 0, 0, 0, 5, 0], [2, 3, 1], 2, True, False),
        ([0, 0, 0, 0, 9, 1], [2, 5, 5], 2, True, True),  # 4 and 5 mean the same
        ([0, 0, 0, 0, 9, 1], [2, 5, 5], 1, False, True),  # few-shot: they do not
        ([0, 0, 0, 9, 0, 1], [2, 5, 5], 3, True, True),  # 3, 4 and 5
        ([0, 0, 9, 0, 0, 1], [2, 5, 5], 3, False, False),
        ([-9, -8, -7, -3, -5, -4], [4, 5, 5], 1, False, True),  # negative logits
    ],
)
def test_marks_by_hand(logits, labels, meanings, accuracy, in_context):
    marks = score(jnp.array([[logits]], jnp.float32), make_indices([labels], [meanings]))
    assert bool(marks.accuracy[0]) == accuracy
    assert bool(marks.accuracy_in_context[0]) == in_context
    expected = math.log(sum(math.exp(z) for z in logits)) - logits[labels[-1]]
    assert float(marks.loss[0]) == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_marks_are_those_of_loops_in_plain_python():
    rng = np.random.default_rng(0)
    batch, context, num_labels = 500, 5, 12
    logits = rng.standard_normal((batch, 1, num_labels)).astype(np.float32)
    labels = rng.integers(num_labels, size=(batch, context + 1))
    meanings = rng.integers(1, 5, size=batch)
    marks = score(jnp.asarray(logits), make_indices(labels.tolist(), meanings.tolist()))
    for i in range(batch):
        own, target = logits[i, 0], labels[i, -1]
        right = [c for c in range(num_labels) if c // meanings[i] == target // meanings[i]]
        best = max(range(num_labels), key=lambda c, own=own: own[c])
        best_in_context = max(labels[i, :-1], key=lambda c, own=own: own[c])
        assert bool(marks.accuracy[i]) == (best in right)
        assert bool(marks.accuracy_in_context[i]) == (best_in_context in right)


# Conditions.

EVALUATION = EvaluationConfig(shots=2, ways=3)
DATA = DataConfig(
    source=GlyphsSource(num_classes=20, num_exemplars=6, size=12),
    context_len=3,
    shots=1,
    ways=2,
    num_classes=12,
    num_holdout_classes=5,
    num_exemplars=6,
    label_multiplicity=3,
)


def know_all(sequence: Sequence) -> jax.Array:
    """The label of the query's class in context, where it is there; else one of the class's own.

    Exemplars are classes here.
    """
    classes = sequence.exemplars[..., 0]
    found = classes[:, :-1] == classes[:, -1:]
    votes = jax.nn.one_hot(sequence.labels[:, :-1], DATA.num_labels) * found[..., None]
    own = classes[:, -1].astype(jnp.int32) * DATA.label_multiplicity + DATA.label_multiplicity - 1
    answer = votes.sum(axis=1) + jax.nn.one_hot(own, DATA.num_labels) * ~found.any(
        axis=1, keepdims=True
    )
    return answer[:, None]


def guess(sequence: Sequence) -> jax.Array:
    """Independent noise, which travels with the exemplars after the class."""
    return sequence.exemplars[:, -1:, 1:]


def take(name: str, answer: Callable, num_sequences: int) -> dict[str, jax.Array]:
    """The scores of `answer` under a condition."""
    family, knobs = CONDITIONS[name](DATA, EVALUATION).family, make_knobs(DATA)

    def draw(key, batch_size):
        index_key, noise_key = jax.random.split(key)
        indices = draw_indices(index_key, family, knobs, batch_size)
        noise = jax.random.normal(noise_key, (*indices.classes.shape, DATA.num_labels))
        items = jnp.concatenate([indices.classes[..., None].astype(jnp.float32), noise], axis=-1)
        return indices, Sequence(items, indices.labels)

    def run(key):
        return evaluate(key, name, num_sequences, draw, answer)

    return jax.jit(run)(jax.random.key(1))


@pytest.mark.parametrize("name", CONDITIONS)
def test_a_network_that_knows_all_is_always_right(name):
    scores = take(name, know_all, 300)
    assert float(scores["accuracy"]) == 1
    assert float(scores["accuracy_stderr"]) == 0
    chance = CONDITIONS[name](DATA, EVALUATION).chance
    possible = 1 if chance["accuracy_in_context"] > 0 else 0
    assert float(scores["accuracy_in_context"]) == possible


@pytest.mark.parametrize("name", CONDITIONS)
def test_chance_is_what_a_guesser_gets(name):
    num_sequences = 8 * MAX_BATCH
    scores = take(name, guess, num_sequences)
    for metric, chance in CONDITIONS[name](DATA, EVALUATION).chance.items():
        error = math.sqrt(chance * (1 - chance) / num_sequences)
        assert abs(float(scores[metric]) - chance) <= 4 * error, metric
        assert float(scores[f"{metric}_stderr"]) == pytest.approx(error, rel=0.25), metric


# Means and their errors.


def test_standard_errors_are_the_spread_of_repeated_evaluations():
    def draw(key, batch_size):
        logit_key, label_key = jax.random.split(key)
        labels = jax.random.randint(label_key, (batch_size, 4), 0, 3)
        zero = jnp.zeros_like(labels)
        indices = IndexSequence(zero, zero, labels, zero[:, 0] == 0, zero[:, 0] + 1)
        return indices, Sequence(jax.random.normal(logit_key, (batch_size, 4, 3)), labels)

    @jax.jit
    @jax.vmap
    def repeat(key):
        return evaluate(key, "any", 50, draw, lambda sequence: 3 * sequence.exemplars[:, -1:])

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
    """Of each batch of four the first two are right."""
    monkeypatch.setattr(evaluation, "MAX_BATCH", 4)
    sizes = []

    def draw(key, batch_size):
        sizes.append(batch_size)
        indices = make_indices([[1, 1], [1, 1], [1, 0], [1, 0]][:batch_size], [1] * batch_size)
        return indices, Sequence(jnp.zeros((batch_size, 2, 1)), indices.labels)

    def answer(sequence):
        return jnp.tile(jnp.array([0.0, 1.0]), (len(sequence.labels), 1, 1))

    scores = evaluate(jax.random.key(0), "any", num_sequences, draw, answer)
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
        labels = jnp.zeros((batch_size, 2), jnp.int32)
        indices = IndexSequence(labels, labels, labels, labels[:, 0] == 0, labels[:, 0] + 1)
        return indices, Sequence(jnp.zeros((batch_size, 2, 1)), labels)

    def run(num_sequences):
        return evaluate(
            jax.random.key(0),
            "any",
            num_sequences,
            draw,
            lambda sequence: jnp.zeros((len(sequence.labels), 1, 3)),
        )

    scores = jax.eval_shape(lambda: run(10**6 + 1))
    assert max(sizes) <= MAX_BATCH
    assert all(value.shape == () for value in scores.values())


# Keys.


def record_keys(key: jax.Array, name: str, num_sequences: int = 2 * MAX_BATCH) -> set[tuple]:
    """The keys with which a condition draws its batches."""
    seen = []

    def draw(batch_key, batch_size):
        jax.debug.callback(
            lambda data: seen.append(tuple(np.asarray(data).tolist())),
            jax.random.key_data(batch_key),
        )
        labels = jnp.zeros((batch_size, 2), jnp.int32)
        indices = IndexSequence(labels, labels, labels, labels[:, 0] == 0, labels[:, 0] + 1)
        return indices, Sequence(jnp.zeros((batch_size, 2, 1)), labels)

    evaluate(key, name, num_sequences, draw, lambda s: jnp.zeros((len(s.labels), 1, 3)))
    jax.effects_barrier()
    assert len(set(seen)) == len(seen) == math.ceil(num_sequences / MAX_BATCH)
    return set(seen)


def test_each_condition_and_each_evaluation_draws_with_keys_of_its_own():
    key, other = jax.random.split(jax.random.key(0))
    names = [*CONDITIONS, "a condition to come"]
    keys = [record_keys(k, name) for k in (key, other) for name in names]
    assert len(set().union(*keys)) == sum(map(len, keys))
    # A function of the key and the name alone: neither order nor other conditions enter.
    assert record_keys(key, names[0]) == keys[0]
    assert len({zlib.crc32(name.encode()) for name in names}) == len(names)
