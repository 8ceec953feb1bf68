"""What all networks have in common, as settings."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from icl.config.base import FromList, Frozen, raise_all
from icl.config.embedders import Embedder, MLPEmbedder


class SinusoidalPositions(Frozen):
    """Sines and cosines of the position, added to tokens."""

    kind: Literal["sinusoidal"] = "sinusoidal"
    max_time: float = Field(30.0, gt=1, description="longest wavelength / 2 pi")


class LearnedPositions(Frozen):
    """A trained vector for each position, added to tokens."""

    kind: Literal["learned"] = "learned"
    max_tokens: int = Field(32, ge=1, description="of the longest sequence")
    init_std: float = Field(0.02, gt=0)


class RotaryPositions(Frozen):
    """Queries and keys turned by angles that grow with the position (Su et al. 2021)."""

    kind: Literal["rotary"] = "rotary"
    base: float = Field(10000.0, gt=1, description="longest wavelength / 2 pi")


class ShiftedPositions(Frozen):
    """One-hot positions, shifted by as much at random in each sequence, beside each token's own
    numbers (Reddy 2023): they take `size` of the network's width."""

    kind: Literal["shifted"] = "shifted"
    size: int = Field(65, ge=1, description="at least the tokens of the longest sequence")


class NoPositions(Frozen):
    """Order is told by the network's own means alone."""

    kind: Literal["none"] = "none"


Positions = Annotated[
    SinusoidalPositions | LearnedPositions | RotaryPositions | ShiftedPositions | NoPositions,
    Field(discriminator="kind"),
]


class NetworkConfig(Frozen):
    """What all networks have in common: whatever mixes the tokens, the rest is equal.

    A block is x + mixer(norm(x)), then x + mlp(norm(x)).

    kind: what mixes the tokens.
    """

    kind: str
    num_layers: int = Field(2, ge=1)
    width: int = Field(64, ge=2)
    mlp_ratio: int = Field(4, ge=0, description="hidden units of a block's MLP / width; 0: no MLP")
    norm: Literal["pre", "none"] = Field("pre", description="layer norms; none: none anywhere")
    final_norm: bool = Field(True, description="a layer norm after the last block, if norm is pre")
    residual: bool = True
    positions: Positions = SinusoidalPositions()
    tokens: Literal["interleaved", "concatenated"] = Field(
        "interleaved", description="exemplar and label as two tokens, or as parts of one"
    )
    label_dim: int | None = Field(
        None, ge=1, description="of a concatenated token, the label's part; null: half"
    )
    labels: Literal["table", "fixed", "one_hot"] = Field(
        "table", description="vectors of labels: trained, random but not trained, or one-hot"
    )
    label_init_std: float = Field(0.02, gt=0, description="s.d. of the initial label vectors")
    readout: Literal["free", "tied"] = Field("free", description="tied: the label vectors")
    head: Annotated[tuple[Annotated[int, Field(ge=1)], ...], FromList] = Field(
        (), description="units of ReLU layers between the last block and the readout"
    )
    head_bias: Literal["vector", "scalar"] = Field(
        "vector", description="of a layer of the head: one for each unit, or for all"
    )
    readout_bias: bool = True
    compute_dtype: Literal["float32", "bfloat16"] = Field(
        "float32", description="of products; parameters, sums and norms stay float32"
    )
    embedder: Embedder = MLPEmbedder()
    max_shift: int = Field(
        0, ge=0, le=32, description="images are moved by up to so many pixels, in training only"
    )
    example_dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="of an embedded exemplar's numbers: noise, so in tests too (Chan et al. 2022)",
    )

    @property
    def content_dim(self) -> int:
        """Of a token, without one-hot positions."""
        taken = self.positions.size if isinstance(self.positions, ShiftedPositions) else 0
        return self.width - taken

    @property
    def label_width(self) -> int:
        """Of a label's vector."""
        if self.tokens == "interleaved":
            return self.content_dim
        return self.label_dim or self.content_dim // 2

    @property
    def item_width(self) -> int:
        """Of an exemplar's vector."""
        return self.content_dim - (self.label_width if self.tokens == "concatenated" else 0)

    @model_validator(mode="after")
    def _consistent(self) -> "NetworkConfig":
        raise_all(self._errors())
        return self

    def _errors(self) -> list[str]:
        """A line for each mistake; a kind adds its own."""
        positions, width = self.positions, self.width
        mistakes: list[tuple[bool, str, Any, str]] = [
            (
                self.content_dim < 1,
                "model.positions.size",
                self.width - self.content_dim,
                f"below model.width = {width}",
            ),
            (
                positions.kind == "sinusoidal" and width % 2 > 0,
                "model.width",
                width,
                "an even number (half sines, half cosines)",
            ),
            (
                self.label_dim is not None and self.tokens == "interleaved",
                "model.label_dim",
                self.label_dim,
                "null, except where model.tokens = concatenated",
            ),
            (
                0 < self.content_dim <= self.label_width and self.tokens == "concatenated",
                "model.label_dim",
                self.label_width,
                f"below {self.content_dim}, what a token has of model.width = {width}",
            ),
            (
                self.readout == "tied" and (self.labels == "one_hot" or self._readout_dim_differs),
                "model.readout",
                "tied",
                "free, unless what is read has the size of a trained or fixed label vector",
            ),
            (
                positions.kind == "rotary" and not self.has_attention,
                "model.positions.kind",
                "rotary",
                "other kinds, except with attention",
            ),
        ]
        return [
            f"{field} = {value}; allowed: {allowed}"
            for is_wrong, field, value, allowed in mistakes
            if is_wrong
        ]

    @property
    def _readout_dim_differs(self) -> bool:
        return (self.head[-1] if self.head else self.width) != self.label_width

    @property
    def has_attention(self) -> bool:
        """Whether queries and keys are there to be turned by rotary positions."""
        return False
