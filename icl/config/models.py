"""Networks: what each kind has of its own, and the one list of them all."""

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, create_model

from icl.config.networks import NetworkConfig


class HeadsConfig(NetworkConfig):
    """Mixers of several heads, each with an equal part of the width."""

    num_heads: int = Field(8, ge=1)

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
        None, gt=0, description="factor of query-key products; null: 1 / sqrt(width / num_heads)"
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


class LSTMConfig(NetworkConfig):
    """Long short-term memory (Hochreiter and Schmidhuber 1997)."""

    kind: Literal["lstm"] = "lstm"
    forget_bias: float = Field(1.0, description="added to the forget gate's input")


class CTRNNConfig(NetworkConfig):
    """Continuous-time ReLU recurrence, in steps of dt: h = relu((1 - a) h + a (W x + U h))."""

    kind: Literal["ctrnn"] = "ctrnn"
    leak: float = Field(0.5, gt=0, le=1, description="a = dt / tau; 1: none, as in Liu et al. 2023")


class MambaConfig(NetworkConfig):
    """Selective state spaces (Gu and Dao 2023)."""

    kind: Literal["mamba"] = "mamba"
    state_dim: int = Field(16, ge=1, description="numbers remembered for each channel")
    expand: int = Field(2, ge=1, description="channels / width")
    conv_size: int = Field(4, ge=1, description="tokens that the short convolution sees")


class HyenaConfig(NetworkConfig):
    """Gated long convolutions with implicit filters (Poli et al. 2023)."""

    kind: Literal["hyena"] = "hyena"
    order: int = Field(2, ge=1, description="long convolutions, each followed by a gate")
    filter_dim: int = Field(32, ge=1, description="hidden units of the network that makes filters")
    conv_size: int = Field(3, ge=1, description="tokens that the short convolution sees")


NETWORKS: dict[str, type[NetworkConfig]] = {
    "transformer": TransformerConfig,
    "rnn": RNNConfig,
    "gru": NetworkConfig,
    "lstm": LSTMConfig,
    "ctrnn": CTRNNConfig,
    "linear_attention": HeadsConfig,
    "delta_net": HeadsConfig,
    "retention": HeadsConfig,
    "mamba": MambaConfig,
    "hyena": HyenaConfig,
}
"""Kinds of networks, with their settings. A kind is a file of its own name in
icl/models/mixers/; one without settings beyond what all have is listed with `NetworkConfig`."""


def _of_kind(kind: str, settings: type[NetworkConfig]) -> Any:
    """The settings of a kind, which know that they are."""
    if settings.model_fields["kind"].default == kind:
        return settings
    fields: Any = {"kind": (Literal[kind], kind)}
    return create_model(f"{kind}_config", __base__=settings, **fields)


if TYPE_CHECKING:
    Model = NetworkConfig
else:
    Model = Annotated[
        reduce(or_, (_of_kind(kind, settings) for kind, settings in NETWORKS.items())),
        Field(discriminator="kind"),
    ]
