"""Families of sequences: each makes one, as integers, from random words and traced knobs.

A family is a frozen object that holds what fixes shapes. Its definition in words and formulas
is in docs/distribution.md.
"""

import functools
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from icl.config.families import num_ways
from icl.data.distribution import (
    Words,
    distinct_below,
    distinct_within,
    draw_classes,
    draw_independent_classes,
    happens,
    uniform_below,
)
from icl.data.labels import disturbed, labels_of_sequence, own_labels
from icl.data.orders import ORDERS
from icl.types import IndexSequence, Knobs

ZERO = np.int32(0)


@runtime_checkable
class Family(Protocol):
    """One sequence as a pure function of random words and of traced knobs."""

    def __call__(self, words: Words, knobs: Knobs) -> IndexSequence: ...


@dataclass(frozen=True)
class Bursty:
    """Class i comes pattern[i] times in the context; the query is of the first class.

    num_ways: the first so many classes are ways; None: those up to the last that comes more than
        once.
    classes, others: pools (see `icl.types.Knobs.laws`) of the ways, and of the classes after them;
        None: one pool.
    labels: as `icl.data.labels.labels_of_sequence`.
    order: of the context, as `icl.data.orders.ORDERS`.
    distinct: all classes of the sequence differ. False is the reference code of Chan et al.
        2022, whose classes are drawn independently: the ways can coincide, and the others can
        repeat a way.
    distinct_labels: the own labels differ too (Reddy 2023); then the pool must be uniform.
    holdout_exemplars: exemplars are drawn from those never trained on.
    is_training: what disturbs training sequences alone applies (irrelevant contexts, copies).
    """

    pattern: tuple[int, ...]
    classes: str = "train"
    others: str | None = None
    labels: str = "own"
    order: str = "shuffled"
    distinct: bool = True
    distinct_labels: bool = False
    holdout_exemplars: bool = False
    is_training: bool = False
    num_ways: int | None = None

    @property
    def ways(self) -> int:
        return self.num_ways or num_ways(self.pattern)

    def __call__(self, words: Words, knobs: Knobs) -> IndexSequence:
        p_relevant = knobs.p_relevant if self.is_training else None
        classes = self._draw_classes(words, knobs, p_relevant is not None)
        labels, synonyms = labels_of_sequence(self.labels, words, classes, self.ways, knobs)
        query = jnp.int32(0)
        if p_relevant is not None:  # else the query is of a further class, drawn last
            query = jnp.where(happens(words.take(), p_relevant), 0, len(classes) - 1)
        slots = jnp.array([i for i, count in enumerate(self.pattern) for _ in range(count)])
        order = ORDERS[self.order](words, self.pattern)
        context_exemplars, query_exemplar = self._draw_exemplars(words, knobs)
        return IndexSequence(
            jnp.append(classes[slots][order], classes[query]),
            jnp.append(context_exemplars[order], query_exemplar),
            jnp.append(labels[slots][order], labels[query]),
            jnp.asarray(synonyms),
            jnp.asarray(ZERO),
        )

    def _draw_classes(self, words: Words, knobs: Knobs, further: bool) -> Int[Array, " k"]:
        """Those of the pattern, and if `further` one more of the repeated ones' pool."""
        repeated = len(self.pattern) if self.others is None else self.ways
        law = knobs.laws[self.classes]
        if self.distinct_labels and knobs.num_meanings is not None:
            assert self.others is None
            return _classes_of_distinct_meanings(words, repeated + further, self.classes, knobs)
        if not self.distinct:
            draw = draw_independent_classes
            others = knobs.laws[self.others] if self.others else law
            first = draw(words.take(repeated), law)
            rest = draw(words.take(len(self.pattern) - repeated), others)
            parts = [first, rest] if self.others else [first]
            if further:
                parts.append(draw(words.take(1), law, jnp.concatenate(parts)))
            return jnp.concatenate(parts)
        if self.others is None:
            return draw_classes(words.take(repeated + further), law)
        first = draw_classes(words.take(repeated), law)
        rest = draw_classes(
            words.take(len(self.pattern) - repeated), knobs.laws[self.others], first
        )
        parts = [first, rest]
        if further:
            parts.append(draw_classes(words.take(1), law, jnp.concatenate(parts)))
        return jnp.concatenate(parts)

    def _draw_exemplars(self, words: Words, knobs: Knobs) -> tuple[Array, Array]:
        """Of the context before it is put in order, and of the query.

        Those of a repeated class differ, the query's among them.
        """
        first, count = _exemplar_range(self.holdout_exemplars, knobs)
        copied = knobs.p_copied_exemplar if self.is_training else None
        matched = knobs.p_matched_exemplar if self.is_training else None
        groups: list[Array] = []
        query = jnp.int32(0)
        for shots, num_equal in _runs(self.pattern[: self.ways]):
            drawn = jax.vmap(distinct_below, (0, None))(words.take(num_equal, shots + 1), count)
            if copied is not None:
                is_copy = happens(words.take(num_equal, shots + 1), copied)
                is_copy = is_copy & (jnp.arange(shots + 1) < shots)
                drawn = jnp.where(is_copy, drawn[:, :1], drawn)
            if not groups:
                query = drawn[0, shots]
                if matched is not None:
                    query = jnp.where(happens(words.take(), matched), drawn[0, 0], query)
            groups.append(drawn[:, :shots].ravel())
        singles = uniform_below(words.take(len(self.pattern) - self.ways), count)
        context = jnp.concatenate([*groups, singles.astype(jnp.int32)])
        return first + context, first + query


def _runs(pattern: tuple[int, ...]) -> list[tuple[int, int]]:
    """(shots, number of classes) of classes that follow each other and come equally often."""
    runs: list[tuple[int, int]] = []
    for shots in pattern:
        if runs and runs[-1][0] == shots:
            runs[-1] = (shots, runs[-1][1] + 1)
        else:
            runs.append((shots, 1))
    return runs


def _exemplar_range(held_out: bool, knobs: Knobs) -> tuple[Array, Array]:
    """The first exemplar of those drawn from, and their number."""
    if held_out:
        return knobs.num_exemplars, knobs.num_holdout_exemplars
    return jnp.int32(0), knobs.num_exemplars


def _classes_of_distinct_meanings(
    words: Words, count: int, pool: str, knobs: Knobs
) -> Int[Array, " count"]:
    """Classes whose meanings, the class modulo `num_meanings`, all differ, else uniform.

    Exactly uniform where the pool's size is a multiple of the number of meanings; of a larger
    pool the last few classes are left out.
    """
    assert knobs.num_meanings is not None
    law, modulus = knobs.laws[pool], knobs.num_meanings
    meanings = distinct_below(words.take(count), modulus)
    turn = uniform_below(words.take(count), law.size // modulus).astype(jnp.int32)
    return law.first + (meanings - law.first) % modulus + modulus * turn


@dataclass(frozen=True)
class Independent:
    """Items drawn one by one, each with a label of its own; exemplars of a class all differ.

    support: of the query's class in the context. `any`: as it comes (i.i.d.); `always`: where
        it is absent, the query is of a random context item's class instead (Nguyen & Reddy
        2024); `never`: the query comes first, the context from all other classes.
    distinct: with `never`, the context's classes all differ.
    copy_label: with `never`, a random context item is given the query's label (Singh 2025).
    """

    context_len: int
    classes: str = "train"
    support: str = "any"
    distinct: bool = False
    copy_label: bool = False
    holdout_exemplars: bool = False

    def __call__(self, words: Words, knobs: Knobs) -> IndexSequence:
        count, law = self.context_len + 1, knobs.laws[self.classes]
        if self.support != "never":
            classes = draw_independent_classes(words.take(count), law)
        else:
            query = draw_independent_classes(words.take(1), law)
            draw = draw_classes if self.distinct else draw_independent_classes
            classes = jnp.concatenate([draw(words.take(self.context_len), law, query), query])
        if self.support == "always":
            other = classes[self._random_item(words)]
            is_absent = ~jnp.any(classes[:-1] == classes[-1])
            classes = classes.at[-1].set(jnp.where(is_absent, other, classes[-1]))
        first, num_exemplars = _exemplar_range(self.holdout_exemplars, knobs)
        exemplars = first + distinct_within(words.take(count), classes, num_exemplars)
        labels = own_labels(words.take(count), classes, knobs)
        if self.copy_label:
            labels = labels.at[self._random_item(words)].set(labels[-1])
        return IndexSequence(
            classes,
            exemplars,
            labels,
            jnp.asarray(knobs.label_multiplicity),
            jnp.asarray(ZERO),
        )

    def _random_item(self, words: Words) -> Int[Array, ""]:
        return uniform_below(words.take(), self.context_len).astype(jnp.int32)


@dataclass(frozen=True)
class Mixture:
    """One of several families, with the probabilities of `knobs.weights`; what is trained on."""

    families: tuple[Family, ...]

    def __call__(self, words: Words, knobs: Knobs) -> IndexSequence:
        # All are computed from the same words and one is kept.
        chosen = jnp.sum(~happens(words.take(), knobs.weights[:-1]), dtype=jnp.int32)
        mixed, longest = None, words
        for i, family in enumerate(self.families):
            own = words.copy()
            drawn = family(own, knobs)._replace(family=jnp.int32(i))
            longest = max(longest, own, key=lambda w: w.used)
            if mixed is None:
                mixed = drawn
            else:
                mixed = jax.tree.map(functools.partial(jnp.where, chosen == i), drawn, mixed)
        assert mixed is not None
        words.used = longest.used
        return mixed._replace(labels=disturbed(mixed.labels, words, knobs))
