"""Initial connectivity as settings: how the weight matrices of a network begin."""

from typing import Annotated, Literal

from pydantic import Field

from icl.config.base import Frozen


class OwnConnectivity(Frozen):
    """The network's own initial weights.

    gain and rank come last, in this order, whatever the kind.
    """

    kind: Literal["own"] = "own"
    gain: float = Field(1.0, gt=0, le=1e6, description="factor of all weights")
    rank: int | None = Field(
        None, ge=1, description="singular values kept, the Frobenius norm with them; null: all"
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
    sigma: float = Field(1.0, gt=0, le=3, description="s.d. of the logarithms")


class SparseConnectivity(OwnConnectivity):
    """Normal weights, of which a random share is not zero; variance gain^2 / fan-in in all."""

    kind: Literal["sparse"] = "sparse"  # type: ignore[assignment]
    density: float = Field(0.1, gt=0, le=1, description="probability of a weight not to be zero")


class BlockConnectivity(OwnConnectivity):
    """Units in groups of equal size: normal weights, larger within a group than between two."""

    kind: Literal["block"] = "block"  # type: ignore[assignment]
    num_groups: int = Field(4, ge=1, le=4096)
    contrast: float = Field(
        4.0, ge=0, le=1e6, description="s.d. of weights within a group over that between groups"
    )


Connectivity = Annotated[
    OwnConnectivity
    | GaussianConnectivity
    | OrthogonalConnectivity
    | LogNormalConnectivity
    | SparseConnectivity
    | BlockConnectivity,
    Field(discriminator="kind"),
]
