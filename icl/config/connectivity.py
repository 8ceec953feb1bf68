"""Initial connectivity as settings: how the weight matrices of a network are initialised."""

import math
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from icl.config.base import BELOW_ONE, TINY, FromList, Probability, Settings, Traced
from icl.config.cortical_column import FRACTIONS, PROBABILITIES, STRENGTHS
from icl.config.parts import OneOf

MAX_RANK = 10_000_000  # of the largest table of labels
Share = Annotated[float, Field(ge=TINY, le=1e9)]
Strength = Annotated[float, Field(ge=-1e6, le=1e6)]


class OwnConnectivity(Settings):
    """The network's own initial weights.

    gain, rank and match come last, in this order, whatever the kind.
    """

    kind: Literal["own"] = "own"
    gain: Annotated[float, Traced()] = Field(
        1.0, ge=TINY, le=1e6, description="factor of all weights"
    )
    rank: Annotated[int | None, Traced(off=None)] = Field(
        None,
        ge=1,
        le=MAX_RANK,
        description="singular values kept, the Frobenius norm with them; null: all",
    )
    match: Literal["none", "norm", "spectral_radius", "leading_eigenvalue"] = Field(
        "none",
        description="statistic that is set to that of a large gaussian matrix of the same gain",
    )


class GaussianConnectivity(OwnConnectivity):
    """Independent normal weights of variance gain^2 / fan-in, not truncated."""

    kind: Literal["gaussian"] = "gaussian"  # type: ignore[assignment]


class OrthogonalConnectivity(OwnConnectivity):
    """A random matrix all of whose singular values are the gain (Saxe et al. 2014)."""

    kind: Literal["orthogonal"] = "orthogonal"  # type: ignore[assignment]


class LogNormalConnectivity(OwnConnectivity):
    """Heavy-tailed: weights of random sign whose logarithms are normal (Song et al. 2005)."""

    kind: Literal["log_normal"] = "log_normal"  # type: ignore[assignment]
    sigma: Annotated[float, Traced()] = Field(
        1.0, ge=TINY, le=3, description="s.d. of the logarithms"
    )


class SparseConnectivity(OwnConnectivity):
    """Normal weights, each nonzero with probability `density`; total variance gain^2 / fan-in."""

    kind: Literal["sparse"] = "sparse"  # type: ignore[assignment]
    density: Annotated[float, Traced()] = Field(
        0.1, ge=TINY, le=1, description="probability that a weight is not zero"
    )


class BlockConnectivity(OwnConnectivity):
    """Units in groups of equal size: normal weights, larger within a group than between groups."""

    kind: Literal["block"] = "block"  # type: ignore[assignment]
    num_groups: Annotated[int, Traced()] = Field(4, ge=1, le=4096)
    contrast: Annotated[float, Traced()] = Field(
        4.0, ge=0, le=1e6, description="s.d. of weights within a group over that between groups"
    )


class DaleConnectivity(OwnConnectivity):
    """Excitatory and inhibitory units (Dale's law): all weights from a unit have one sign.

    Sizes are absolute normal numbers, also for the weight of a unit to itself. If `balanced`,
    inhibitory weights are larger, so that the expected sum of the weights onto a unit is zero (van
    Vreeswijk and Sompolinsky 1996).
    """

    kind: Literal["dale"] = "dale"  # type: ignore[assignment]
    fraction: Annotated[float, Traced()] = Field(
        0.8, ge=TINY, le=BELOW_ONE, description="share of excitatory units, which come first"
    )
    kept: bool = Field(False, description="whether training sets weights that cross zero to zero")
    balanced: Annotated[bool, Traced()] = True


class CellTypesConnectivity(OwnConnectivity):
    """Units of several cell types; connections depend on the pair of types.

    Tables of probabilities and strengths go from the row's type to the column's. The defaults are
    those of Potjans and Diesmann (2014), except that sizes are their strength times a log-normal
    factor; theirs are normal with a deviation of a tenth of the mean.
    """

    kind: Literal["cell_types"] = "cell_types"  # type: ignore[assignment]
    fractions: Annotated[tuple[Share, ...], FromList, Traced()] = Field(
        FRACTIONS, min_length=1, description="shares of units by type, in proportion"
    )
    probabilities: Annotated[
        tuple[Annotated[tuple[Probability, ...], FromList], ...], FromList, Traced()
    ] = PROBABILITIES
    strengths: Annotated[
        tuple[Annotated[tuple[Strength, ...], FromList], ...], FromList, Traced()
    ] = Field(STRENGTHS, description="mean weights, inhibitory ones below 0")
    sigma: Annotated[float, Traced()] = Field(
        0.1, ge=0, le=3, description="s.d. of the logarithms of sizes"
    )


class MotifsConnectivity(OwnConnectivity):
    """A random graph with frequent or rare second-order motifs (SONETs: Zhao et al. 2011).

    Two units are connected if a normal variable exceeds a threshold. The four numbers are the
    correlations between the variables of two connections: at 0 both occur together as often as by
    chance, above 0 more often. Weights of units to themselves are independent. All connections have
    the same strength; if `centred`, their mean is subtracted from all, as by uniform inhibition.
    """

    kind: Literal["motifs"] = "motifs"  # type: ignore[assignment]
    density: Annotated[float, Traced()] = Field(
        0.1, ge=TINY, le=BELOW_ONE, description="probability of a connection"
    )
    reciprocal: Annotated[float, Traced()] = Field(
        0.0, ge=-1, le=1, description="of a to b and b to a"
    )
    convergent: Annotated[float, Traced()] = Field(
        0.0, ge=0, lt=1, description="of a to c and b to c"
    )
    divergent: Annotated[float, Traced()] = Field(
        0.0, ge=0, lt=1, description="of a to b and a to c"
    )
    chain: Annotated[float, Traced()] = Field(0.0, ge=-1, le=1, description="of a to b and b to c")
    centred: Annotated[bool, Traced()] = True


class FileConnectivity(OwnConnectivity):
    """A square matrix from a .npy or .csv file, from the row's unit to the column's.

    It is used as it is; `match: norm` gives it the norm of a gaussian matrix.
    """

    kind: Literal["file"] = "file"  # type: ignore[assignment]
    path: Annotated[str, Traced()] = Field(min_length=1)
    transposed: Annotated[bool, Traced()] = Field(
        False, description="whether the file goes from column to row"
    )


class AlignedConnectivity(FileConnectivity):
    """A matrix with a given alignment to a reference (Liu et al. 2023, Proposition 1).

    The reference is a matrix in a file, which need not be square: weights that solve the task, as
    those of a trained network, or the product of readout and input weights. Its leading `rank`
    singular vectors are kept, each rotated towards a random direction; the norm is that of a
    gaussian matrix.
    """

    kind: Literal["aligned"] = "aligned"  # type: ignore[assignment]
    alignment: Annotated[float, Traced()] = Field(
        1.0, ge=0, le=1, description="expected cosine with the reference of the same rank"
    )


Connectivity = Annotated[
    OwnConnectivity
    | GaussianConnectivity
    | OrthogonalConnectivity
    | LogNormalConnectivity
    | SparseConnectivity
    | BlockConnectivity
    | DaleConnectivity
    | CellTypesConnectivity
    | MotifsConnectivity
    | FileConnectivity
    | AlignedConnectivity,
    OneOf("initializer"),
]


def connectivity_errors(connectivity: Mapping[str, OwnConnectivity]) -> list[str]:
    """Errors of initial connectivity whose settings do not fit each other."""
    errors = []
    for pattern, spec in connectivity.items():
        found: list[str] = []
        if isinstance(spec, CellTypesConnectivity):
            found = _table_errors(spec)
        elif isinstance(spec, MotifsConnectivity):
            found = _correlation_errors(spec)
        elif isinstance(spec, BlockConnectivity) and spec.num_groups == 1 and spec.contrast == 0:
            found = [
                "contrast = 0; allowed where num_groups is 1: above 0, as no weight is between"
            ]
        elif isinstance(spec, DaleConnectivity) and spec.kept and spec.rank is not None:
            found = [
                f"rank = {spec.rank}; allowed where kept is true: null, as a rank mixes the signs"
            ]
        errors += [f"connectivity.{pattern}.{line}" for line in found]
    return errors


def _table_errors(spec: CellTypesConnectivity) -> list[str]:
    count = len(spec.fractions)
    tables = {"probabilities": spec.probabilities, "strengths": spec.strengths}
    errors = [
        f"{name} = rows of {', '.join(str(len(row)) for row in table)} numbers; "
        f"allowed: {count} x {count}, as many as fractions"
        for name, table in tables.items()
        if [len(row) for row in table] != [count] * count
    ]
    pairs = zip(spec.probabilities, spec.strengths, strict=False)
    if not errors and not any(p * s for row in pairs for p, s in zip(*row, strict=True)):
        errors.append("strengths = 0 wherever probabilities are not; allowed: at least one other")
    return errors


def _correlation_errors(spec: MotifsConnectivity) -> list[str]:
    """Errors of correlations that no normal variables have in large networks."""
    rest = 1 - spec.convergent - spec.divergent
    if rest <= 0:
        return [
            f"convergent + divergent = {spec.convergent + spec.divergent:g}; allowed: a sum below 1"
        ]
    errors = []
    bound = math.sqrt(spec.convergent * spec.divergent)
    if abs(spec.chain) > bound + 1e-9:
        errors.append(
            f"chain = {spec.chain:g}; allowed: at most sqrt(convergent * divergent) = {bound:g} "
            "in size"
        )
    low, high = 2 * spec.chain - rest, 2 * spec.chain + rest
    if not low - 1e-9 <= spec.reciprocal <= high + 1e-9:
        errors.append(
            f"reciprocal = {spec.reciprocal:g}; allowed: from {low:g} to {high:g}, that is "
            "2 chain +- (1 - convergent - divergent)"
        )
    return errors
