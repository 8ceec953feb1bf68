"""Families of sequences: each draws one sequence, as integers, from a key and traced knobs.

A family is a frozen object that holds what fixes shapes. Its definition in words and formulas
is in docs/distribution.md.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key, Shaped

from icl.data.distribution import draw_class, draw_classes, random_order, uniform_below
from icl.data.labels import assigned_labels, own_labels
from icl.types import IndexSequence, Knobs, Sequence

Family = Callable[[Key[Array, ""], Knobs], IndexSequence]


def _draw_exemplars(key: Array, count: int, num_exemplars: Int[Array, ""]) -> Array:
    bits = jax.random.bits(key, (count,), jnp.uint32)
    return uniform_below(bits, num_exemplars).astype(jnp.int32)


def _shuffled_context(key: Array, classes: Array, labels: Array) -> tuple[Array, Array]:
    """Context items in random order, then the query, which is the first class given."""
    order = random_order(key, len(classes))
    query = slice(0, 1)
    return (
        jnp.concatenate([classes[order], classes[query]]),
        jnp.concatenate([labels[order], labels[query]]),
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

    def __call__(self, key: Key[Array, ""], knobs: Knobs) -> IndexSequence:
        class_key, label_key, order_key, exemplar_key = jax.random.split(key, 4)
        num_others = self.context_len - self.shots * self.ways
        classes = draw_classes(
            class_key,
            knobs.class_thresholds,
            knobs.num_classes,
            self.ways + num_others,
            self.distinct,
        )
        labels = own_labels(label_key, classes, knobs.label_multiplicity)
        repeats = [i for i in range(self.ways) for _ in range(self.shots)]
        slots = jnp.array(repeats + list(range(self.ways, self.ways + num_others)))
        classes, labels = _shuffled_context(order_key, classes[slots], labels[slots])
        exemplars = _draw_exemplars(exemplar_key, self.context_len + 1, knobs.num_exemplars)
        return IndexSequence(classes, exemplars, labels, jnp.array(True), knobs.label_multiplicity)


@dataclass(frozen=True)
class Independent:
    """Every item, the query too, drawn independently of all others (i.i.d.)."""

    context_len: int

    def __call__(self, key: Key[Array, ""], knobs: Knobs) -> IndexSequence:
        class_key, label_key, exemplar_key = jax.random.split(key, 3)
        classes = draw_classes(
            class_key, knobs.class_thresholds, knobs.num_classes, self.context_len + 1, False
        )
        labels = own_labels(label_key, classes, knobs.label_multiplicity)
        exemplars = _draw_exemplars(exemplar_key, self.context_len + 1, knobs.num_exemplars)
        return IndexSequence(classes, exemplars, labels, jnp.array(False), knobs.label_multiplicity)


@dataclass(frozen=True)
class NoSupport:
    """In-weights test: the query's class is absent from a context drawn from all the others."""

    context_len: int

    def __call__(self, key: Key[Array, ""], knobs: Knobs) -> IndexSequence:
        class_key, label_key, exemplar_key = jax.random.split(key, 3)
        bits = jax.random.bits(class_key, (self.context_len + 1,), jnp.uint32)
        query = draw_class(bits[0], knobs.class_thresholds, knobs.num_classes)
        context = jax.vmap(draw_class, (0, None, None, None))(
            bits[1:], knobs.class_thresholds, knobs.num_classes, query[None]
        )
        classes = jnp.append(context, query)
        labels = own_labels(label_key, classes, knobs.label_multiplicity)
        exemplars = _draw_exemplars(exemplar_key, self.context_len + 1, knobs.num_exemplars)
        return IndexSequence(classes, exemplars, labels, jnp.array(False), knobs.label_multiplicity)


@dataclass(frozen=True)
class FewShot:
    """In-context test: `shots` of each of `ways` distinct classes, labelled 0 .. ways - 1.

    holdout: None draws from the training distribution; (first, count) draws uniformly from the
        classes first .. first + count - 1.
    """

    shots: int
    ways: int
    holdout: tuple[int, int] | None = None

    def __call__(self, key: Key[Array, ""], knobs: Knobs) -> IndexSequence:
        class_key, label_key, order_key, exemplar_key = jax.random.split(key, 4)
        if self.holdout is None:
            classes = draw_classes(
                class_key, knobs.class_thresholds, knobs.num_classes, self.ways, True
            )
        else:
            first, count = self.holdout
            classes = first + random_order(class_key, count)[: self.ways]
        labels = assigned_labels(label_key, self.ways)
        slots = jnp.repeat(jnp.arange(self.ways), self.shots)
        classes, labels = _shuffled_context(order_key, classes[slots], labels[slots])
        exemplars = _draw_exemplars(exemplar_key, len(slots) + 1, knobs.num_exemplars)
        return IndexSequence(classes, exemplars, labels, jnp.array(True), jnp.array(1))


@dataclass(frozen=True)
class Mixture:
    """`bursty` with probability `p_bursty`, else `other`: the training distribution."""

    bursty: Family
    other: Family

    def __call__(self, key: Key[Array, ""], knobs: Knobs) -> IndexSequence:
        choice_key, bursty_key, other_key = jax.random.split(key, 3)
        choose = jax.random.uniform(choice_key) < knobs.p_bursty
        return jax.tree.map(
            lambda a, b: jnp.where(choose, a, b),
            self.bursty(bursty_key, knobs),
            self.other(other_key, knobs),
        )


def draw_indices(
    key: Key[Array, ""], family: Family, knobs: Knobs, batch_size: int
) -> IndexSequence:
    """A batch of sequences as integers."""
    return jax.vmap(family, (0, None))(jax.random.split(key, batch_size), knobs)


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
