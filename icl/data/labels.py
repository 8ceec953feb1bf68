"""What a class is called: its own labels, one or several, or labels given for one sequence."""

import jax.numpy as jnp
from jaxtyping import Array, Int, UInt32

from icl.data.distribution import random_order, uniform_below


def own_labels(
    bits: UInt32[Array, " *shape"], classes: Int[Array, " *shape"], multiplicity: Int[Array, ""]
) -> Int[Array, " *shape"]:
    """Class c owns the labels c * multiplicity + 0 .. multiplicity - 1; one is drawn for each.

    Label multiplicity is the "dynamic meaning" of Chan et al. 2022: the larger, the less a
    class says about its label.
    """
    return classes * multiplicity + uniform_below(bits, multiplicity).astype(jnp.int32)


def assigned_labels(bits: UInt32[Array, " ways"]) -> Int[Array, " ways"]:
    """The labels 0 .. ways - 1 in random order: in-context evaluation as in Chan et al. 2022."""
    return random_order(bits)
