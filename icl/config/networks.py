"""Networks that read sequences, as settings."""

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, model_validator

from icl.config.base import (
    BELOW_ONE,
    HUGE,
    MAX_LAYERS,
    MAX_WIDTH,
    TINY,
    FromList,
    Settings,
    raise_all,
)
from icl.config.embedders import Embedder, MLPEmbedder
from icl.config.families import MAX_CONTEXT_LEN
from icl.config.parts import OneOf

MAX_TOKENS = 2 * MAX_CONTEXT_LEN + 1


class SinusoidalPositions(Settings):
    """Sines and cosines of the position, added to tokens."""

    kind: Literal["sinusoidal"] = "sinusoidal"
    max_time: float = Field(30.0, gt=1, le=1e9, description="longest wavelength / 2 pi")


class LearnedPositions(Settings):
    """A trained vector for each position, added to tokens."""

    kind: Literal["learned"] = "learned"
    max_tokens: int = Field(32, ge=1, le=MAX_WIDTH, description="of the longest sequence")
    init_std: float = Field(0.02, ge=TINY, le=HUGE)


class RotaryPositions(Settings):
    """Rotations of queries and keys by angles that grow with the position (Su et al. 2021)."""

    kind: Literal["rotary"] = "rotary"
    base: float = Field(10000.0, gt=1, le=1e9, description="longest wavelength / 2 pi")


class ShiftedPositions(Settings):
    """One-hot positions beside each token's own numbers, shifted at random in each sequence.

    They take `size` of the network's width (Reddy 2023).
    """

    kind: Literal["shifted"] = "shifted"
    size: int = Field(
        65, ge=1, le=MAX_WIDTH, description="at least the tokens of the longest sequence"
    )


class NoPositions(Settings):
    """No position code: order reaches the network only through recurrence or the causal mask."""

    kind: Literal["none"] = "none"


Positions = Annotated[
    SinusoidalPositions | LearnedPositions | RotaryPositions | ShiftedPositions | NoPositions,
    Field(discriminator="kind"),
]


class NetworkConfig(Settings):
    """The settings of all networks, whatever mixes the tokens.

    A block is x + mixer(norm(x)), then x + mlp(norm(x)).

    kind: what mixes the tokens.
    """

    kind: str
    num_layers: int = Field(2, ge=1, le=MAX_LAYERS)
    width: int = Field(64, ge=2, le=MAX_WIDTH)
    mlp_ratio: int = Field(
        4, ge=0, le=1000, description="hidden units of a block's MLP / width; 0: no MLP"
    )
    norm: Literal["pre", "none"] = Field("pre", description="layer norms; none: none anywhere")
    final_norm: bool = Field(True, description="a layer norm after the last block, if norm is pre")
    residual: bool = True
    positions: Positions = SinusoidalPositions()
    tokens: Literal["interleaved", "concatenated"] = Field(
        "interleaved", description="exemplar and label as two tokens, or as parts of one"
    )
    label_dim: int | None = Field(
        None,
        ge=1,
        le=MAX_WIDTH,
        description="of a concatenated token, the label's part; null: half",
    )
    labels: Literal["table", "fixed", "one_hot"] = Field(
        "table", description="vectors of labels: trained, random but not trained, or one-hot"
    )
    label_init_std: float = Field(
        0.02, ge=TINY, le=HUGE, description="s.d. of the initial label vectors"
    )
    readout: Literal["free", "tied"] = Field("free", description="tied: the label vectors")
    head: Annotated[tuple[Annotated[int, Field(ge=1, le=MAX_WIDTH)], ...], FromList] = Field(
        (),
        max_length=MAX_LAYERS,
        description="units of ReLU layers between the last block and the readout",
    )
    head_bias: Literal["vector", "scalar"] = Field(
        "vector", description="biases in a layer of the head: one per unit, or one for all"
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
        le=BELOW_ONE,
        description="of an embedded exemplar's numbers: noise, so in tests too (Chan et al. 2022)",
    )

    @property
    def content_dim(self) -> int:
        """The size of a token without one-hot positions."""
        taken = self.positions.size if isinstance(self.positions, ShiftedPositions) else 0
        return self.width - taken

    @property
    def label_width(self) -> int:
        """The size of a label's vector."""
        if self.tokens == "interleaved":
            return self.content_dim
        return self.label_dim or self.content_dim // 2

    @property
    def item_width(self) -> int:
        """The size of an exemplar's vector."""
        return self.content_dim - (self.label_width if self.tokens == "concatenated" else 0)

    @model_validator(mode="after")
    def _consistent(self) -> "NetworkConfig":
        raise_all(self._errors())
        return self

    def _errors(self) -> list[str]:
        """List mistakes, one line each; a kind adds its own."""
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
        """Whether there are queries and keys, which rotary positions turn."""
        return False


class HeadsConfig(NetworkConfig):
    """The settings of mixers of several heads, each with an equal part of the width."""

    num_heads: int = Field(8, ge=1, le=MAX_WIDTH)

    def _errors(self) -> list[str]:
        errors = super()._errors()
        if self.width % self.num_heads:
            errors.append(
                f"model.num_heads = {self.num_heads}; allowed: a divisor of "
                f"model.width = {self.width}"
            )
        return errors


class TransformerConfig(HeadsConfig):
    """Causal softmax attention."""

    kind: Literal["transformer"] = "transformer"
    attention_scale: float | None = Field(
        None,
        ge=TINY,
        le=HUGE,
        description="factor of query-key products; null: 1 / sqrt(width / num_heads)",
    )
    attention_bias: bool = Field(True, description="of queries, keys, values and output")
    attention_out: bool = Field(True, description="a linear map after the heads")

    @property
    def has_attention(self) -> bool:
        return True

    def _errors(self) -> list[str]:
        errors = super()._errors()
        head_dim, rest = divmod(self.width, self.num_heads)
        if self.positions.kind == "rotary" and not rest and head_dim % 2:
            errors.append(
                f"model.num_heads = {self.num_heads}; allowed: one that leaves each head an even "
                f"part of model.width = {self.width}, to be turned by rotary positions"
            )
        return errors


class RNNConfig(NetworkConfig):
    """Vanilla recurrence: h = f(W x + U h + b)."""

    kind: Literal["rnn"] = "rnn"
    activation: Literal["relu", "tanh"] = Field("relu", description="relu in Chan et al. 2022")


class GRUConfig(NetworkConfig):
    """Gated recurrent units (Cho et al. 2014)."""

    kind: Literal["gru"] = "gru"


class LSTMConfig(NetworkConfig):
    """Long short-term memory (Hochreiter and Schmidhuber 1997)."""

    kind: Literal["lstm"] = "lstm"
    forget_bias: float = Field(
        1.0, ge=-HUGE, le=HUGE, description="added to the forget gate's input"
    )


class CTRNNConfig(NetworkConfig):
    """Continuous-time ReLU recurrence, in steps of dt: h = relu((1 - a) h + a (W x + U h))."""

    kind: Literal["ctrnn"] = "ctrnn"
    leak: float = Field(
        0.5, ge=TINY, le=1, description="a = dt / tau; 1: none, as in Liu et al. 2023"
    )


class LinearAttentionConfig(HeadsConfig):
    """Attention by a product of features in place of a softmax (Katharopoulos et al. 2020)."""

    kind: Literal["linear_attention"] = "linear_attention"


class DeltaNetConfig(HeadsConfig):
    """A matrix of memories, corrected by the delta rule (Yang et al. 2024)."""

    kind: Literal["delta_net"] = "delta_net"


class RetentionConfig(HeadsConfig):
    """Attention without a softmax that decays with distance (Sun et al. 2023)."""

    kind: Literal["retention"] = "retention"


class MambaConfig(NetworkConfig):
    """Selective state spaces (Gu and Dao 2023)."""

    kind: Literal["mamba"] = "mamba"
    state_dim: int = Field(
        16, ge=1, le=MAX_WIDTH, description="numbers remembered for each channel"
    )
    expand: int = Field(2, ge=1, le=1000, description="channels / width")
    conv_size: int = Field(
        4, ge=1, le=MAX_TOKENS, description="tokens that the short convolution sees"
    )


class HyenaConfig(NetworkConfig):
    """Gated long convolutions with implicit filters (Poli et al. 2023)."""

    kind: Literal["hyena"] = "hyena"
    order: int = Field(
        2, ge=1, le=MAX_LAYERS, description="long convolutions, each followed by a gate"
    )
    filter_dim: int = Field(
        32, ge=1, le=MAX_WIDTH, description="hidden units of the network that makes filters"
    )
    conv_size: int = Field(
        3, ge=1, le=MAX_TOKENS, description="tokens that the short convolution sees"
    )


Model = Annotated[
    TransformerConfig
    | RNNConfig
    | GRUConfig
    | LSTMConfig
    | CTRNNConfig
    | LinearAttentionConfig
    | DeltaNetConfig
    | RetentionConfig
    | MambaConfig
    | HyenaConfig,
    OneOf("network"),
]

# Settings by kind. A kind is a file of its own name in icl/models/mixers/.
NETWORKS: dict[str, type[NetworkConfig]] = {
    settings.model_fields["kind"].default: settings for settings in get_args(get_args(Model)[0])
}
