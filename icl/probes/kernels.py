"""Alignment of the tangent kernel with the initial kernel and with the targets."""

from jaxtyping import Array, Float

from icl.probes.alignment import kernel_alignment, kernel_target_alignment, participation_ratio
from icl.probes.view import View

NEEDS = ("kernels",)


def measure(view: View) -> dict[str, Float[Array, ""]]:
    """Alignments by part of the network, and rank and target alignment of the mixing weights."""
    now, before = view.now["kernels"], view.before["kernels"]
    alignments = kernel_alignment(now, before)
    return {
        "kernel_alignment": alignments["mixing"],
        **{
            f"kernel_alignment_{part}": alignments[part]
            for part in ("input", "readout", "all")
            if part in alignments
        },
        "kernel_rank": participation_ratio(now["mixing"]),
        "kernel_target_alignment": kernel_target_alignment(now["mixing"], view.targets),
    }
