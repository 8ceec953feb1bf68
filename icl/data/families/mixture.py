"""Mixtures of families, which networks are trained on."""

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from icl.data.bits import RandomBits, happens
from icl.data.families.base import Family
from icl.data.labels import with_label_noise
from icl.types import IndexSequence, Knobs


@dataclass(frozen=True)
class Mixture:
    """Draw a sequence of one of several families, with the probabilities in `knobs.weights`.

    Label noise is applied here, so that only the mixture has it.
    """

    families: tuple[Family, ...]

    def __call__(self, bits: RandomBits, knobs: Knobs) -> IndexSequence:
        # All families are computed from the same bits, and one result is kept.
        chosen = jnp.sum(~happens(bits.take(), knobs.weights[:-1]), dtype=jnp.int32)
        mixed, longest = None, bits
        for i, family in enumerate(self.families):
            own = bits.copy()
            drawn = family(own, knobs)._replace(family=jnp.int32(i))
            longest = max(longest, own, key=lambda w: w.used)
            if mixed is None:
                mixed = drawn
            else:
                mixed = jax.tree.map(functools.partial(jnp.where, chosen == i), drawn, mixed)
        assert mixed is not None
        bits.used = longest.used
        return mixed._replace(labels=with_label_noise(mixed.labels, bits, knobs))
