"""Embedders of exemplars, as settings."""

from typing import Annotated, Literal

from pydantic import Field

from icl.config.base import HUGE, MAX_LAYERS, MAX_WIDTH, TINY, FromList, Settings
from icl.config.parts import OneOf


class LinearEmbedder(Settings):
    """One linear map of the raw exemplar."""

    kind: Literal["linear"] = "linear"


class MLPEmbedder(Settings):
    """Standardised pixels, a hidden layer with ReLU, then a linear map."""

    kind: Literal["mlp"] = "mlp"
    hidden_dim: int = Field(128, ge=1, le=MAX_WIDTH)


class PCAEmbedder(Settings):
    """Frozen principal components of the training exemplars, then a linear map."""

    kind: Literal["pca"] = "pca"
    num_components: int = Field(64, ge=1, le=MAX_WIDTH)


class ConvEmbedder(Settings):
    """Standardised pixels, strided 3 x 3 convolutions with ReLU, then a linear map."""

    kind: Literal["conv"] = "conv"
    channels: Annotated[tuple[Annotated[int, Field(ge=1, le=MAX_WIDTH)], ...], FromList] = Field(
        (16, 32, 32), min_length=1, max_length=MAX_LAYERS
    )


class ResNetEmbedder(Settings):
    """The residual network of Chan et al. 2022: blocks (2, 2, 2, 2), channels (16, 32, 32, 64).

    The embedding is the global mean of the last channels. If the width is not 64, a linear map
    follows.
    """

    kind: Literal["resnet"] = "resnet"


class OneHotEmbedder(Settings):
    """One linear map of a symbol's one-hot vector."""

    kind: Literal["one_hot"] = "one_hot"


class TableEmbedder(Settings):
    """A learned vector for each symbol."""

    kind: Literal["table"] = "table"
    init_std: float = Field(
        1.0, ge=TINY, le=HUGE, description="s.d. of the initial vectors' entries"
    )


class IdentityEmbedder(Settings):
    """The exemplar's own numbers, unchanged: frozen features."""

    kind: Literal["identity"] = "identity"


Embedder = Annotated[
    LinearEmbedder
    | MLPEmbedder
    | PCAEmbedder
    | ConvEmbedder
    | ResNetEmbedder
    | OneHotEmbedder
    | TableEmbedder
    | IdentityEmbedder,
    OneOf("embedder"),
]
