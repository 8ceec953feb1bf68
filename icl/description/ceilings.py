"""Ceilings: scores of ideal learners that only use the context, or only know labels by heart.

A learner with several equally good answers takes one of them at random. Its mark is the expected
mark of `icl.evaluation.scores.score` over these choices.
"""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Shaped

from icl.config import DataConfig
from icl.config.families import IndependentFamily, MarkovFamily
from icl.data.labels import meanings_of
from icl.types import IndexSequence, Knobs

_meanings_of = jax.jit(meanings_of)

Marks = Float[np.ndarray, " sequence"]


class Ceiling(NamedTuple):
    """Marks of each sequence over all labels, and among the labels in its context."""

    accuracy: Marks
    accuracy_in_context: Marks


class ContextLabels(NamedTuple):
    """The labels of each context in ascending order; each label counts at its last place.

    is_label: whether a label counts at this place. The next two arrays have a meaning only there.
    is_right: whether it is a right answer.
    votes: the number of context items of the query's class that have it.
    """

    labels: Int[np.ndarray, "sequence context"]
    is_label: Bool[np.ndarray, "sequence context"]
    is_right: Bool[np.ndarray, "sequence context"]
    votes: Int[np.ndarray, "sequence context"]


def read_context(indices: IndexSequence) -> ContextLabels:
    """The labels of each context, and their votes."""
    is_same = np.asarray(indices.classes[:, :-1] == indices.classes[:, -1:])
    order = np.argsort(indices.labels[:, :-1], axis=1, kind="stable")
    labels = np.take_along_axis(np.asarray(indices.labels[:, :-1]), order, axis=1)
    is_same = np.take_along_axis(is_same, order, axis=1)
    changes = labels[:, 1:] != labels[:, :-1]
    edge = np.ones((len(labels), 1), bool)
    is_first, is_last = np.hstack([edge, changes]), np.hstack([changes, edge])
    so_far = np.cumsum(is_same, axis=1)
    before = np.maximum.accumulate(np.where(is_first, so_far - is_same, 0), axis=1)
    return ContextLabels(labels, is_last, is_right(labels.T, indices).T, so_far - before)


def is_right(
    answers: Int[np.ndarray, "*answer sequence"], indices: IndexSequence
) -> Bool[np.ndarray, "*answer sequence"]:
    """Whether answers are synonyms of the query's label, as in `icl.evaluation.scores.score`."""
    synonyms, target = np.asarray(indices.synonyms), np.asarray(indices.labels[:, -1])
    return answers // synonyms == target // synonyms


def one_of(context: ContextLabels, candidates: Bool[np.ndarray, "sequence context"]) -> Marks:
    """Marks of one candidate at random, or, without candidates, of any label in the context."""
    candidates = candidates & context.is_label
    is_any = candidates.any(axis=1, keepdims=True)
    candidates = np.where(is_any, candidates, context.is_label)
    return (candidates & context.is_right).sum(axis=1) / candidates.sum(axis=1)


def chance(indices: IndexSequence, num_labels: int) -> Ceiling:
    """Marks of answers drawn uniformly."""
    context = read_context(indices)
    return Ceiling(np.asarray(indices.synonyms) / num_labels, one_of(context, context.is_label))


def in_context(indices: IndexSequence) -> Ceiling:
    """Marks of a learner that recognises classes without error and knows no label by heart.

    It answers with the most frequent label of the query's class in the context, and without such
    a label with any label of the context.
    """
    context = read_context(indices)
    votes = np.where(context.is_label, context.votes, 0)
    most = votes.max(axis=1, keepdims=True)
    marks = one_of(context, (votes == most) & (most > 0))
    return Ceiling(marks, marks)


def nearest_neighbour(
    indices: IndexSequence, distances: Float[np.ndarray, "sequence context"]
) -> Ceiling:
    """Marks of a learner that answers with the label of the context item nearest to the query."""
    is_nearest = distances == distances.min(axis=1, keepdims=True)
    right = is_right(np.asarray(indices.labels[:, :-1]).T, indices).T
    marks = (is_nearest & right).sum(axis=1) / is_nearest.sum(axis=1)
    return Ceiling(marks, marks)


@jax.jit
def distances_to_query(
    exemplars: Shaped[Array, "batch item *shape"],
) -> Float[Array, "batch context"]:
    """Euclidean distances from context items to the query; 0 or 1 between symbols."""
    context, query = exemplars[:, :-1], exemplars[:, -1:]
    if exemplars.ndim == 2:
        return (context != query).astype("float32")
    square = (context - query) ** 2
    return jax.numpy.sqrt(square.reshape(*square.shape[:2], -1).sum(axis=2))


class Knowledge(NamedTuple):
    """Labels known by heart: a class of meaning m has the labels m K .. m K + K - 1.

    learned: ranges of classes that are trained on under these labels.
    """

    learned: list[tuple[int, int]]
    knobs: Knobs

    def meanings(self, classes: Int[np.ndarray, " sequence"]) -> Int[np.ndarray, " sequence"]:
        """The meanings of classes; -1 where not known."""
        known = np.zeros(len(classes), bool)
        for first, stop in self.learned:
            known |= (classes >= first) & (classes < stop)
        return np.where(known, np.asarray(_meanings_of(classes, self.knobs)), -1)


def learned_pools(data: DataConfig) -> list[str]:
    """Pools of a fixed set of classes that have their own labels in training."""
    pools = []
    for name, weight in data.weights.items():
        family = data.family(name)
        if weight == 0 or isinstance(family, MarkovFamily):
            continue
        # A registered family teaches the labels of training classes unless its settings say else.
        if isinstance(family, IndependentFamily) or getattr(family, "labels", "own") == "own":
            pools += [getattr(family, "classes", "train"), getattr(family, "others", None)]
    return [pool for pool in dict.fromkeys(pools) if pool not in (None, "novel")]


def make_knowledge(data: DataConfig, knobs: Knobs) -> Knowledge:
    """Collect what a network can memorise of the training distribution at the knobs' step.

    It cannot memorise rare classes whose images are new in each sequence.
    """
    stop = data.num_common_classes if data.random_rare_exemplars else data.num_classes
    ranges = []
    for name in learned_pools(data):
        pool = knobs.pools[name]
        first, last = int(pool.first), int(pool.first + pool.size)
        if first < data.num_classes:
            last = min(last, stop)
        ranges.append((first, last))
    return Knowledge(ranges, knobs)


def in_weights(indices: IndexSequence, knowledge: Knowledge, sample: IndexSequence) -> Ceiling:
    """Marks of a learner that knows classes and their own labels, and ignores the context.

    For classes that it does not know it gives the label that is right most often for them, among
    all labels or among those in the context.

    sample: independent sequences of the same family, from which it learns which labels these are.
    """
    context = read_context(indices)
    multiplicity = int(knowledge.knobs.label_multiplicity)
    meanings = knowledge.meanings(np.asarray(indices.classes[:, -1]))
    target = np.asarray(indices.labels[:, -1])
    # One of a class's K labels is right, or all where they are synonyms.
    accuracy = (target // multiplicity == meanings) * (np.asarray(indices.synonyms) / multiplicity)
    own = context.is_label & (context.labels // multiplicity == meanings[:, None])
    among = one_of(context, own)
    unknown = meanings < 0
    is_asked = knowledge.meanings(np.asarray(sample.classes[:, -1])) < 0
    asked = np.asarray(sample.labels[:, -1])[is_asked]
    if unknown.any() and len(asked):
        labels, counts = np.unique(asked, return_counts=True)
        guess = np.full(len(target), labels[np.argmax(counts)])
        accuracy = np.where(unknown, is_right(guess, indices), accuracy)
        place = np.minimum(np.searchsorted(labels, context.labels), len(labels) - 1)
        often = np.where(labels[place] == context.labels, counts[place], 0) * context.is_label
        best = often == often.max(axis=1, keepdims=True)
        among = np.where(unknown, one_of(context, best), among)
    return Ceiling(accuracy.astype(np.float64), among)


def of_symbols(indices: IndexSequence, table: Float[np.ndarray, "symbol label"]) -> Ceiling:
    """Marks of the in-weights learner of chains: the most probable label of a symbol.

    table: how often each label follows each symbol in the chains trained on.
    """
    context = read_context(indices)
    scores = table[np.asarray(indices.classes[:, -1])]
    guess = scores.argmax(axis=1)
    of_context = np.take_along_axis(scores, context.labels, axis=1)
    of_context = np.where(context.is_label, of_context, -1)
    best = of_context == of_context.max(axis=1, keepdims=True)
    return Ceiling(is_right(guess, indices).astype(np.float64), one_of(context, best))


def count_followers(indices: IndexSequence, num_symbols: int) -> Float[np.ndarray, "symbol label"]:
    """Count the labels of each symbol, in contexts and queries."""
    pairs = np.asarray(indices.classes) * num_symbols + np.asarray(indices.labels)
    counts = np.bincount(pairs.ravel(), minlength=num_symbols**2)
    return counts.reshape(num_symbols, num_symbols).astype(np.float64)


def alike(table: Float[np.ndarray, "symbol label"]) -> Float[np.ndarray, "symbol label"]:
    """The mean of a table over all orders of the symbols, which new chains treat alike.

    Only how often a symbol follows itself can be learned from it.
    """
    size, itself = len(table), float(np.trace(table))
    other = (table.sum() - itself) / max(size * (size - 1), 1)
    return np.where(np.eye(size, dtype=bool), itself / size, other)
