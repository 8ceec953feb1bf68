"""Sequences whose items are drawn one by one, as in i.i.d. data."""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Int

from icl.data.bits import RandomBits, uniform_below
from icl.data.classes import distinct_within, draw_classes, draw_independent_classes
from icl.data.families.base import ZERO, exemplar_range
from icl.data.labels import own_labels
from icl.types import IndexSequence, Knobs


@dataclass(frozen=True)
class Independent:
    """Items drawn one by one, each with an own label of its class; exemplars of a class differ.

    support: whether the query's class is in the context. `any`: by chance (i.i.d.); `always`:
        where it is absent, the query takes the class of a random context item (Nguyen & Reddy
        2024); `never`: the query is drawn first, the context from all other classes.
    distinct: with `never`, the context's classes all differ.
    copy_label: with `never`, a random context item gets the query's label (Singh 2025).
    """

    context_len: int
    classes: str = "train"
    support: str = "any"
    distinct: bool = False
    copy_label: bool = False
    holdout_exemplars: bool = False

    def __call__(self, bits: RandomBits, knobs: Knobs) -> IndexSequence:
        count, pool = self.context_len + 1, knobs.pools[self.classes]
        if self.support != "never":
            classes = draw_independent_classes(bits.take(count), pool)
        else:
            query = draw_independent_classes(bits.take(1), pool)
            draw = draw_classes if self.distinct else draw_independent_classes
            classes = jnp.concatenate([draw(bits.take(self.context_len), pool, query), query])
        if self.support == "always":
            other = classes[self._random_item(bits)]
            is_absent = ~jnp.any(classes[:-1] == classes[-1])
            classes = classes.at[-1].set(jnp.where(is_absent, other, classes[-1]))
        first, num_exemplars = exemplar_range(self.holdout_exemplars, knobs, classes)
        exemplars = first + distinct_within(bits.take(count), classes, num_exemplars)
        labels = own_labels(bits.take(count), classes, knobs)
        if self.copy_label:
            labels = labels.at[self._random_item(bits)].set(labels[-1])
        return IndexSequence(
            classes,
            exemplars,
            labels,
            jnp.asarray(knobs.label_multiplicity),
            jnp.asarray(ZERO),
        )

    def _random_item(self, bits: RandomBits) -> Int[Array, ""]:
        return uniform_below(bits.take(), self.context_len).astype(jnp.int32)
