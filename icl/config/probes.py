"""Probes by name: what each measures inside a network while it trains, and over which axes.

The numbers themselves are made by the module of the probe's name in `icl.probes`, which has a
function `measure`. docs/probes.md defines each number. No JAX here: settings and claims read this.
"""

from typing import Annotated, NamedTuple

from pydantic import AfterValidator, Field

from icl.config.base import FromList, raise_all
from icl.errors import allowed


class Measure(NamedTuple):
    """label: what figures call the number. axes: names of the axes of its array; none: a scalar."""

    label: str
    axes: tuple[str, ...] = ()


PROBES: dict[str, dict[str, Measure]] = {
    "weights": {
        "weight_change": Measure("weight change"),
        "weight_change_all": Measure("weight change, all weights"),
    },
    "representations": {
        "representation_alignment": Measure("representation alignment"),
        "representation_rank": Measure("rank of representations"),
        "sign_similarity": Measure("sign similarity"),
    },
    "kernels": {
        "kernel_alignment": Measure("kernel alignment"),
        "kernel_alignment_input": Measure("kernel alignment, input"),
        "kernel_alignment_readout": Measure("kernel alignment, readout"),
        "kernel_alignment_all": Measure("kernel alignment, all weights"),
        "kernel_rank": Measure("rank of kernel"),
        "kernel_target_alignment": Measure("kernel-target alignment"),
    },
}

# The two numbers that a line of progress and the picture of a run have room for, by short name.
ALIGNMENTS = {"RA": "representation_alignment", "KA": "kernel_alignment"}
ALIGNMENTS_NOTE = (
    "RA, KA: alignment of representations, and of the tangent kernel, with those of the initial "
    "network; 1: unchanged (lazy), lower: new features (rich)"
)

# What `evaluation.measures: true` stood for in release 0.1.0.
RICH_OR_LAZY = ("weights", "representations", "kernels")


def probe_of(metric: str) -> str:
    """The probe that makes a number; empty for the scores of answers, which need none."""
    return next((probe for probe, measures in PROBES.items() if metric in measures), "")


def axes_of(metric: str) -> tuple[str, ...]:
    """The axes of a probe's number; none for scalars and for the scores of answers."""
    probe = probe_of(metric)
    return PROBES[probe][metric].axes if probe else ()


def _known(names: tuple[str, ...]) -> tuple[str, ...]:
    """Each name once, in the order of the table: the order of a list means nothing."""
    raise_all(
        [
            f"evaluation.probes = {name}; {allowed(name, PROBES)}"
            for name in names
            if name not in PROBES
        ]
    )
    return tuple(name for name in PROBES if name in names)


Probes = Annotated[
    tuple[str, ...],
    FromList,
    AfterValidator(_known),
    Field(description=f"what is measured inside the network: {', '.join(PROBES)}"),
]
