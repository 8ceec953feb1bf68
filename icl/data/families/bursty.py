"""Bursty and few-shot sequences: some classes are repeated in the context, others are single."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from icl.config.families import num_ways
from icl.data.bits import RandomBits, happens, uniform_below
from icl.data.classes import distinct_below, draw_classes, draw_independent_classes
from icl.data.families.base import ZERO, exemplar_range
from icl.data.labels import labels_of_sequence
from icl.data.orders import ORDERS
from icl.types import ClassDistribution, IndexSequence, Knobs


@dataclass(frozen=True)
class Bursty:
    """Class i comes pattern[i] times in the context; the query is of the first class.

    num_ways: how many classes, the first ones, are ways; None: the classes up to the last that
        comes more than once.
    classes, others: pools (see `icl.types.Knobs.pools`) of the ways and of the classes after them.
        None: the same pool.
    labels: kind of labels, as in `icl.data.labels.labels_of_sequence`.
    order: order of the context, as in `icl.data.orders.ORDERS`.
    distinct: all classes of the sequence differ. False is the reference code of Chan et al.
        2022, which draws classes independently: the ways can coincide, and the others can
        repeat a way.
    distinct_labels: the own labels differ too (Reddy 2023); then the pool must be uniform.
    holdout_exemplars: draw exemplars from those never trained on.
    is_training: apply what changes training sequences only (irrelevant contexts, copies).
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

    def __call__(self, bits: RandomBits, knobs: Knobs) -> IndexSequence:
        p_relevant = knobs.p_relevant if self.is_training else None
        classes = self._draw_classes(bits, knobs, p_relevant is not None)
        labels, synonyms = labels_of_sequence(self.labels, bits, classes, self.ways, knobs)
        query = jnp.int32(0)
        if p_relevant is not None:  # an irrelevant query is of a further class, drawn last
            query = jnp.where(happens(bits.take(), p_relevant), 0, len(classes) - 1)
        slots = self._slots
        order = ORDERS[self.order](bits, self.pattern)
        context_exemplars, query_exemplar = self._draw_exemplars(bits, knobs, classes, query)
        return IndexSequence(
            jnp.append(classes[slots][order], classes[query]),
            jnp.append(context_exemplars[order], query_exemplar),
            jnp.append(labels[slots][order], labels[query]),
            jnp.asarray(synonyms),
            jnp.asarray(ZERO),
        )

    def _draw_classes(self, bits: RandomBits, knobs: Knobs, further: bool) -> Int[Array, " k"]:
        """The classes of the pattern and, if `further`, one more from the pool of the ways."""
        repeated = len(self.pattern) if self.others is None else self.ways
        pool = knobs.pools[self.classes]
        if self.distinct_labels and knobs.num_meanings is not None:
            assert self.others is None
            return _classes_of_distinct_meanings(bits, repeated + further, pool, knobs)
        if not self.distinct:
            draw = draw_independent_classes
            others = knobs.pools[self.others] if self.others else pool
            first = draw(bits.take(repeated), pool)
            rest = draw(bits.take(len(self.pattern) - repeated), others)
            parts = [first, rest] if self.others else [first]
            if further:
                parts.append(draw(bits.take(1), pool, jnp.concatenate(parts)))
            return jnp.concatenate(parts)
        if self.others is None:
            return draw_classes(bits.take(repeated + further), pool)
        first = draw_classes(bits.take(repeated), pool)
        rest = draw_classes(
            bits.take(len(self.pattern) - repeated), knobs.pools[self.others], first
        )
        parts = [first, rest]
        if further:
            parts.append(draw_classes(bits.take(1), pool, jnp.concatenate(parts)))
        return jnp.concatenate(parts)

    def _draw_exemplars(
        self, bits: RandomBits, knobs: Knobs, classes: Int[Array, " k"], queried: Int[Array, ""]
    ) -> tuple[Array, Array]:
        """Exemplars of the context, before it is put in order, and of the query.

        Exemplars of a repeated class differ, the query's among them.

        queried: which of the classes the query is of: the first, or a further one.
        """
        first, count = exemplar_range(self.holdout_exemplars, knobs, classes)
        copied = knobs.p_copied_exemplar if self.is_training else None
        matched = knobs.p_matched_exemplar if self.is_training else None
        groups: list[Array] = []
        query, begin = jnp.int32(0), 0
        for shots, num_equal in _runs(self.pattern[: self.ways]):
            own, axis = (count[begin : begin + num_equal], 0) if count.ndim else (count, None)
            drawn = jax.vmap(distinct_below, (0, axis))(bits.take(num_equal, shots + 1), own)
            begin += num_equal
            if copied is not None:
                is_copy = happens(bits.take(num_equal, shots + 1), copied)
                is_copy = is_copy & (jnp.arange(shots + 1) < shots)
                drawn = jnp.where(is_copy, drawn[:, :1], drawn)
            if not groups:
                query = drawn[0, shots]
                if matched is not None:
                    query = jnp.where(happens(bits.take(), matched), drawn[0, 0], query)
            groups.append(drawn[:, :shots].ravel())
        own = count[begin : len(self.pattern)] if count.ndim else count
        singles = uniform_below(bits.take(len(self.pattern) - self.ways), own)
        context = jnp.concatenate([*groups, singles.astype(jnp.int32)])
        if count.ndim and len(classes) > len(self.pattern):
            further = uniform_below(bits.take(), count[-1]).astype(jnp.int32)
            query = jnp.where(queried == 0, query, further)
        if first.ndim:
            return first[self._slots] + context, first[queried] + query
        return first + context, first + query

    @property
    def _slots(self) -> Int[Array, " context"]:
        """The class of each item of the context, before it is put in order."""
        return jnp.array([i for i, count in enumerate(self.pattern) for _ in range(count)])


def _runs(pattern: tuple[int, ...]) -> list[tuple[int, int]]:
    """(shots, number of classes) of each group of neighbours that come equally often."""
    runs: list[tuple[int, int]] = []
    for shots in pattern:
        if runs and runs[-1][0] == shots:
            runs[-1] = (shots, runs[-1][1] + 1)
        else:
            runs.append((shots, 1))
    return runs


def _classes_of_distinct_meanings(
    bits: RandomBits, count: int, pool: ClassDistribution, knobs: Knobs
) -> Int[Array, " count"]:
    """Draw classes uniformly such that their meanings, class modulo `num_meanings`, all differ.

    This is exactly uniform if the pool's size is a multiple of the number of meanings; otherwise
    the last few classes of the pool are left out.
    """
    assert knobs.num_meanings is not None
    modulus = knobs.num_meanings
    meanings = distinct_below(bits.take(count), modulus)
    turn = uniform_below(bits.take(count), pool.size // modulus).astype(jnp.int32)
    return pool.first + (meanings - pool.first) % modulus + modulus * turn
