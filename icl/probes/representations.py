"""Change of hidden states since the start, and their effective rank."""

from jaxtyping import Array, Float

from icl.probes.alignment import (
    participation_ratio,
    representation_alignment,
    representation_gram,
    sign_similarity,
)
from icl.probes.view import View

NEEDS = ("hidden",)


def measure(view: View) -> dict[str, Float[Array, ""]]:
    """Alignment and sign similarity with the start, and the present rank (Liu et al. 2023)."""
    hidden, before = view.now["hidden"], view.before["hidden"]
    return {
        "representation_alignment": representation_alignment(hidden, before),
        "representation_rank": participation_ratio(representation_gram(hidden)),
        "sign_similarity": sign_similarity(hidden, before),
    }
