"""Alignment of the tangent kernel with the initial kernel and with the targets."""

from icl.probes.alignment import (
    kernel_alignment,
    kernel_target_alignment,
    participation_ratio,
    unless_zero,
)
from icl.probes.view import View
from icl.types import Masked

NEEDS = ("kernels",)


def measure(view: View) -> dict[str, Masked]:
    """Alignments by part of the network, and rank and target alignment of the mixing weights."""
    now, before = view.now["kernels"], view.before["kernels"]
    alignments = {
        part: unless_zero(kernel_alignment, kernel, before[part]) for part, kernel in now.items()
    }
    return {
        "kernel_alignment": alignments["mixing"],
        **{
            f"kernel_alignment_{part}": alignments[part]
            for part in ("input", "readout", "all")
            if part in alignments
        },
        "kernel_rank": unless_zero(participation_ratio, now["mixing"]),
        "kernel_target_alignment": unless_zero(
            kernel_target_alignment, now["mixing"], view.targets
        ),
    }
