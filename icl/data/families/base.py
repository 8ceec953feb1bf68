"""What every family of sequences is."""

from typing import Protocol, runtime_checkable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from icl.data.bits import RandomBits
from icl.types import IndexSequence, Knobs

ZERO = np.int32(0)


@runtime_checkable
class Family(Protocol):
    """One sequence as a pure function of random bits and of traced knobs."""

    def __call__(self, bits: RandomBits, knobs: Knobs) -> IndexSequence: ...


def exemplar_range(held_out: bool, knobs: Knobs) -> tuple[Array, Array]:
    """The first exemplar of those drawn from, and their number."""
    if held_out:
        return knobs.num_exemplars, knobs.num_holdout_exemplars
    return jnp.int32(0), knobs.num_exemplars
