"""Change of hidden states since the start, and their participation ratio."""

from jaxtyping import Array, Float

from icl.probes.alignment import (
    representation_alignment,
    representation_rank,
    sign_similarity,
    unless_zero,
)
from icl.probes.view import View
from icl.types import Masked

NEEDS = ("hidden",)


def measure(view: View) -> dict[str, Masked | Float[Array, ""]]:
    """Alignment and sign similarity with the start, and the present rank (Liu et al. 2023)."""
    hidden, before = view.now["hidden"], view.before["hidden"]
    return {
        "representation_alignment": unless_zero(representation_alignment, hidden, before),
        "representation_rank": unless_zero(representation_rank, hidden),
        "sign_similarity": sign_similarity(hidden, before),
    }
