"""Families of sequences: each makes one, as integers, from random words and traced knobs.

A family is a frozen object that holds what fixes shapes. Its definition in words and formulas
is in docs/distribution.md.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key, Shaped, UInt32

from icl.data.distribution import (
    distinct_below,
    draw_class,
    draw_classes,
    random_order,
    uniform_below,
)
from icl.data.labels import assigned_labels, own_labels
from icl.types import IndexSequence, Knobs, Sequence

Words = UInt32[Array, " word"]


@runtime_checkable
class Family(Protocol):
    """One sequence as a pure function of `num_words` random 32-bit words and of traced knobs.

    Words, and not a key, because one call to the generator for a whole batch compiles several
    times faster than a dozen calls within each sequence, and runs faster.
    """

    @property
    def num_words(self) -> int: ...

    def __call__(self, words: Words, knobs: Knobs) -> IndexSequence: ...


def _split(words: Words, *sizes: int) -> list[UInt32[Array, " _"]]:
    """Consecutive pieces, each to be used once."""
    assert len(words) == sum(sizes)
    return jnp.split(words, [sum(sizes[:i]) for i in range(1, len(sizes))])


def _compose(
    order_words: Words,
    exemplar_words: UInt32[Array, " n"],
    num_exemplars: Int[Array, ""],
    classes: Int[Array, " k"],
    labels: Int[Array, " k"],
    shots: int,
    ways: int,
) -> tuple[Array, Array, Array]:
    """Classes, exemplars and labels of a shuffled context, then of a query of the first class.

    The first `ways` classes come `shots` times, the others once. A way's exemplars differ, the
    query's among them.
    """
    of_ways = exemplar_words[: ways * (shots + 1)].reshape(ways, shots + 1)
    repeated = jax.vmap(distinct_below, (0, None))(of_ways, num_exemplars)
    single = uniform_below(exemplar_words[ways * (shots + 1) :], num_exemplars)
    exemplars = jnp.concatenate([repeated[:, :shots].ravel(), single.astype(jnp.int32)])
    slots = jnp.array([i for i in range(ways) for _ in range(shots)] + [*range(ways, len(classes))])
    order = random_order(order_words)
    return (
        jnp.append(classes[slots][order], classes[0]),
        jnp.append(exemplars[order], repeated[0, shots]),
        jnp.append(labels[slots][order], labels[0]),
    )


@dataclass(frozen=True)
class Bursty:
    """`ways` classes come `shots` times each, others once; the query is of the first class.

    distinct: all classes of the sequence differ. False is the reference code of Chan et al.
        2022, whose classes are drawn independently: the ways can coincide, and the others can
        repeat a way.
    """

    context_len: int
    shots: int
    ways: int
    distinct: bool = True

    @property
    def _sizes(self) -> tuple[int, ...]:
        others = self.context_len - self.shots * self.ways
        num_classes = self.ways + others
        return num_classes, num_classes, self.context_len, self.ways * (self.shots + 1) + others

    @property
    def num_words(self) -> int:
        return sum(self._sizes)

    def __call__(self, words: Words, knobs: Knobs) -> IndexSequence:
        class_words, label_words, order_words, exemplar_words = _split(words, *self._sizes)
        classes = draw_classes(
            class_words, knobs.class_thresholds, knobs.num_classes, self.distinct
        )
        labels = own_labels(label_words, classes, knobs.label_multiplicity)
        composed = _compose(
            order_words, exemplar_words, knobs.num_exemplars, classes, labels, self.shots, self.ways
        )
        return IndexSequence(*composed, jnp.array(True), knobs.label_multiplicity)


def _separate_items(
    label_words: Words, exemplar_words: Words, classes: Int[Array, " item"], knobs: Knobs
) -> IndexSequence:
    """Every item has an exemplar and a label of its own, drawn without regard to the others."""
    exemplars = uniform_below(exemplar_words, knobs.num_exemplars).astype(jnp.int32)
    labels = own_labels(label_words, classes, knobs.label_multiplicity)
    return IndexSequence(classes, exemplars, labels, jnp.array(False), knobs.label_multiplicity)


@dataclass(frozen=True)
class Independent:
    """Every item, the query too, drawn independently of all others (i.i.d.)."""

    context_len: int

    @property
    def num_words(self) -> int:
        return 3 * (self.context_len + 1)

    def __call__(self, words: Words, knobs: Knobs) -> IndexSequence:
        class_words, label_words, exemplar_words = jnp.split(words, 3)
        classes = draw_classes(class_words, knobs.class_thresholds, knobs.num_classes, False)
        return _separate_items(label_words, exemplar_words, classes, knobs)


@dataclass(frozen=True)
class NoSupport:
    """In-weights test: the query's class is absent from a context drawn from all the others."""

    context_len: int

    @property
    def num_words(self) -> int:
        return 3 * (self.context_len + 1)

    def __call__(self, words: Words, knobs: Knobs) -> IndexSequence:
        class_words, label_words, exemplar_words = jnp.split(words, 3)
        table = (knobs.class_thresholds, knobs.num_classes)
        query = draw_classes(class_words[:1], *table, distinct=False)
        context = jax.vmap(draw_class, (0, None, None, None))(class_words[1:], *table, query)
        classes = jnp.concatenate([context, query])
        return _separate_items(label_words, exemplar_words, classes, knobs)


@dataclass(frozen=True)
class FewShot:
    """In-context test: `shots` of each of `ways` distinct classes, labelled 0 .. ways - 1.

    The query is of the first class drawn. holdout: None draws from the training distribution;
    (first, count) draws uniformly from the classes first .. first + count - 1.
    """

    shots: int
    ways: int
    holdout: tuple[int, int] | None = None

    @property
    def _sizes(self) -> tuple[int, ...]:
        context_len = self.shots * self.ways
        return self.ways, self.ways, context_len, context_len + self.ways

    @property
    def num_words(self) -> int:
        return sum(self._sizes)

    def __call__(self, words: Words, knobs: Knobs) -> IndexSequence:
        class_words, label_words, order_words, exemplar_words = _split(words, *self._sizes)
        if self.holdout is None:
            classes = draw_classes(class_words, knobs.class_thresholds, knobs.num_classes, True)
        else:
            first, count = self.holdout
            classes = first + distinct_below(class_words, count)
        labels = assigned_labels(label_words)
        composed = _compose(
            order_words, exemplar_words, knobs.num_exemplars, classes, labels, self.shots, self.ways
        )
        return IndexSequence(*composed, jnp.array(True), jnp.array(1))


@dataclass(frozen=True)
class Mixture:
    """`bursty` with probability `p_bursty`, else `other`: the training distribution."""

    bursty: Family
    other: Family

    @property
    def num_words(self) -> int:
        return 1 + max(self.bursty.num_words, self.other.num_words)

    def __call__(self, words: Words, knobs: Knobs) -> IndexSequence:
        # Both are computed from the same words and one is kept. 24 bits are a float32 exactly.
        choose = (words[0] >> 8).astype(jnp.float32) < knobs.p_bursty * 2.0**24
        return jax.tree.map(
            lambda a, b: jnp.where(choose, a, b),
            self.bursty(words[1 : 1 + self.bursty.num_words], knobs),
            self.other(words[1 : 1 + self.other.num_words], knobs),
        )


def draw_indices(
    key: Key[Array, ""], family: Family, knobs: Knobs, batch_size: int
) -> IndexSequence:
    """A batch of sequences as integers."""
    words = jax.random.bits(key, (batch_size, family.num_words), jnp.uint32)
    return jax.vmap(family, (0, None))(words, knobs)


def look_up(
    key: Key[Array, ""],
    indices: IndexSequence,
    exemplars: Shaped[Array, "class exemplar *shape"],
    noise_scale: Array | None = None,
) -> Sequence:
    """The items themselves, widened from the bank's uint8 to float32 in [0, 1], plus noise.

    noise_scale: standard deviation of Gaussian pixel noise; None leaves the noise out of the
        program, which saves more time than drawing the integers takes.
    """
    items = exemplars[indices.classes, indices.exemplars]
    if items.dtype == jnp.uint8:
        items = items.astype(jnp.float32) / 255
    if noise_scale is not None:
        items = items + noise_scale * jax.random.normal(key, items.shape, items.dtype)
    return Sequence(items, indices.labels)
