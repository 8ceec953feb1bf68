"""The protocol of a family of sequences."""

from typing import Protocol, runtime_checkable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from icl.data.bits import RandomBits
from icl.types import IndexSequence, Knobs

ZERO = np.int32(0)


@runtime_checkable
class Family(Protocol):
    """A pure function from random bits and traced knobs to one sequence, as integers.

    It is a frozen object: what is known of a family is kept by its hash.
    """

    def __call__(self, bits: RandomBits, knobs: Knobs) -> IndexSequence: ...

    def __hash__(self) -> int: ...


def exemplar_range(held_out: bool, knobs: Knobs) -> tuple[Array, Array]:
    """The first of the exemplars to draw from, and their number."""
    if held_out:
        return knobs.num_exemplars, knobs.num_holdout_exemplars
    return jnp.int32(0), knobs.num_exemplars
