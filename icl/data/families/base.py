"""The protocol of a family of sequences."""

from typing import Protocol, runtime_checkable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

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


def exemplar_range(
    held_out: bool, knobs: Knobs, classes: Int[Array, "*shape"]
) -> tuple[Int[Array, "*first"], Int[Array, "*number"]]:
    """The first of the exemplars to draw from, and their number.

    Each is one number for each of the classes where classes differ in it, otherwise one for all.
    """
    in_use = knobs.num_exemplars
    if in_use.ndim:
        in_use = in_use[classes]
    if held_out:
        return in_use, knobs.num_holdout_exemplars
    return jnp.int32(0), in_use
