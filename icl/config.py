"""The one description of an experiment: a tree of frozen, validated classes.

Every part of the simulator is made from a branch of this tree; nothing else carries settings.
This module imports neither JAX nor any data, so that a mistake is reported at once.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class Frozen(BaseModel):
    """Immutable, strict about unknown keys, types and NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def _raise(errors: list[str]) -> None:
    if errors:
        raise ValueError("\n".join(errors))


MAX_CONTEXT_LEN = 512  # pairs
MAX_BANK_BYTES = 2**35


class OmniglotSource(Frozen):
    """The Omniglot characters (Lake et al. 2015): 1,623 classes of 20 drawings."""

    kind: Literal["omniglot"] = "omniglot"
    size: int = Field(28, ge=4, le=105, description="pixels a side; 105 as published")

    num_classes: ClassVar[int] = 1623
    num_exemplars: ClassVar[int] = 20


class GlyphsSource(Frozen):
    """Characters drawn by a procedure, as varied as Omniglot's; no download."""

    kind: Literal["glyphs"] = "glyphs"
    size: int = Field(28, ge=8, le=128, description="pixels a side")
    num_classes: int = Field(1623, ge=2, le=1_000_000)
    num_exemplars: int = Field(20, ge=1, le=10_000)
    seed: int = Field(0, ge=0, lt=2**31)

    @model_validator(mode="after")
    def _consistent(self) -> "GlyphsSource":
        size = self.num_classes * self.num_exemplars * self.size**2
        if size > MAX_BANK_BYTES:
            _raise(
                [
                    "data.source.num_classes * data.source.num_exemplars * data.source.size ** 2 = "
                    f"{size:.3g} bytes; allowed: at most {MAX_BANK_BYTES:.3g}"
                ]
            )
        return self


Source = Annotated[OmniglotSource | GlyphsSource, Field(discriminator="kind")]


class DataConfig(Frozen):
    """The distribution of training sequences; defined exactly in docs/distribution.md."""

    source: Source = GlyphsSource()
    context_len: int = Field(8, ge=1, le=MAX_CONTEXT_LEN, description="pairs before the query")
    shots: int = Field(3, ge=1, description="repeats of each way in a bursty context")
    ways: int = Field(2, ge=1, description="repeated classes in a bursty context")
    p_bursty: float = Field(0.9, ge=0, le=1)
    zipf_exponent: float = Field(0.0, ge=0, le=5)
    num_classes: int = Field(1600, ge=2, description="classes trained on")
    num_holdout_classes: int = Field(23, ge=0, description="classes never trained on")
    label_multiplicity: int = Field(1, ge=1, le=1024, description="labels of each class")
    num_exemplars: int = Field(20, ge=1, description="exemplars of each class in use")
    noise_scale: float = Field(0.0, ge=0, le=10, description="s.d. of pixel noise; ink is 1")
    distinct_classes: bool = Field(
        True, description="classes of a bursty sequence all differ; false: drawn independently"
    )
    split_seed: int = Field(1337, ge=0, lt=2**32, description="which classes are held out")

    @property
    def num_labels(self) -> int:
        """Labels of all classes, held-out ones included, as in Chan et al. 2022."""
        return (self.num_classes + self.num_holdout_classes) * self.label_multiplicity

    @model_validator(mode="after")
    def _consistent(self) -> "DataConfig":
        rest = self.context_len - self.shots * self.ways
        errors = []
        if rest < 0:
            errors.append(
                f"data.shots * data.ways = {self.shots} * {self.ways} = {self.shots * self.ways}; "
                f"allowed: at most data.context_len = {self.context_len}"
            )
        elif self.distinct_classes and self.num_classes < self.ways + rest:
            errors.append(
                f"data.num_classes = {self.num_classes}; allowed: at least {self.ways + rest}, the "
                "distinct classes of a bursty sequence (or data.distinct_classes=false)"
            )
        if self.num_classes + self.num_holdout_classes > self.source.num_classes:
            errors.append(
                f"data.num_classes + data.num_holdout_classes = {self.num_classes} + "
                f"{self.num_holdout_classes}; allowed: at most the {self.source.num_classes} "
                f"classes of data.source ({self.source.kind})"
            )
        if self.num_exemplars > self.source.num_exemplars:
            errors.append(
                f"data.num_exemplars = {self.num_exemplars}; allowed: at most the "
                f"{self.source.num_exemplars} exemplars of data.source ({self.source.kind})"
            )
        _raise(errors)
        return self


class LinearEmbedder(Frozen):
    """One linear map of the raw exemplar."""

    kind: Literal["linear"] = "linear"


class MLPEmbedder(Frozen):
    """Standardised pixels, a hidden layer with ReLU, then a linear map."""

    kind: Literal["mlp"] = "mlp"
    hidden_dim: int = Field(128, ge=1)


class PCAEmbedder(Frozen):
    """Frozen principal components of the training exemplars, then a linear map."""

    kind: Literal["pca"] = "pca"
    num_components: int = Field(64, ge=1)


class ConvEmbedder(Frozen):
    """Standardised pixels, strided 3 x 3 convolutions with ReLU, then a linear map."""

    kind: Literal["conv"] = "conv"
    channels: tuple[Annotated[int, Field(ge=1)], ...] = Field((16, 32, 32), min_length=1)

    @field_validator("channels", mode="before")
    @classmethod
    def _from_list(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value


class ResNetEmbedder(Frozen):
    """The residual network of Chan et al. 2022: blocks (2, 2, 2, 2), channels (16, 32, 32, 64).

    Global mean pooling gives its last channels as the embedding: they are the model's width.
    """

    kind: Literal["resnet"] = "resnet"


Embedder = Annotated[
    LinearEmbedder | MLPEmbedder | PCAEmbedder | ConvEmbedder | ResNetEmbedder,
    Field(discriminator="kind"),
]


class TransformerConfig(Frozen):
    """A causal, pre-norm transformer over interleaved image and label tokens."""

    kind: Literal["transformer"] = "transformer"
    num_layers: int = Field(2, ge=1)
    width: int = Field(64, ge=2)
    num_heads: int = Field(8, ge=1)
    mlp_ratio: int = Field(4, ge=1)
    label_init_std: float = Field(0.02, gt=0, description="s.d. of the initial label table")
    position_max_time: float = Field(30.0, gt=1, description="longest wavelength / 2 pi")
    embedder: Embedder = MLPEmbedder()

    @model_validator(mode="after")
    def _consistent(self) -> "TransformerConfig":
        errors = []
        if self.width % 2:
            errors.append(
                f"model.width = {self.width}; allowed: an even number (half sines, half cosines)"
            )
        if self.width % self.num_heads:
            errors.append(
                f"model.num_heads = {self.num_heads}; allowed: a divisor of "
                f"model.width = {self.width}"
            )
        if self.embedder.kind == "resnet" and self.width != 64:
            errors.append(
                f"model.width = {self.width}; allowed: 64, the channels of model.embedder (resnet)"
            )
        _raise(errors)
        return self


# One network so far; further kinds turn this into a union told apart by `kind`.
Model = TransformerConfig


class TrainingConfig(Frozen):
    """Adam with linear warm-up and inverse-square-root decay; the loss is at the query."""

    num_steps: int = Field(6000, ge=1)
    batch_size: int = Field(64, ge=1)
    learning_rate: float = Field(1e-3, gt=0, description="at the peak, the end of warm-up")
    warmup_steps: int = Field(1000, ge=1)
    weight_decay: float = Field(0.0, ge=0, description="decoupled: weights shrink by rate * this")
    clip_norm: float | None = Field(None, gt=0, description="bound on the gradient's global norm")
    adam_b1: float = Field(0.9, ge=0, lt=1)
    adam_b2: float = Field(0.999, ge=0, lt=1)


ConditionName = Literal["fewshot_holdout", "fewshot_train", "no_support"]


class EvaluationConfig(Frozen):
    """When and on how many sequences the network is evaluated while it trains."""

    every: int = Field(500, ge=1, description="training steps between evaluations")
    num_sequences: int = Field(1024, ge=1, description="for each condition, fresh each time")
    shots: int = Field(4, ge=1, description="of few-shot conditions")
    ways: int = Field(2, ge=2, description="of few-shot conditions")
    conditions: tuple[ConditionName, ...] = Field(
        ("fewshot_holdout", "fewshot_train", "no_support"), min_length=1
    )

    @field_validator("conditions", mode="before")
    @classmethod
    def _from_list(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _consistent(self) -> "EvaluationConfig":
        errors = []
        if len(set(self.conditions)) < len(self.conditions):
            errors.append(
                f"evaluation.conditions = {list(self.conditions)}; allowed: each name once"
            )
        if self.shots * self.ways > MAX_CONTEXT_LEN:
            errors.append(
                f"evaluation.shots * evaluation.ways = {self.shots} * {self.ways}; "
                f"allowed: at most {MAX_CONTEXT_LEN}"
            )
        _raise(errors)
        return self


class CheckpointConfig(Frozen):
    """When the training state is saved, and which saves are kept."""

    every: int = Field(1000, ge=1, description="training steps between checkpoints")
    keep_last: int = Field(2, ge=1)
    keep_every: int | None = Field(None, ge=1, description="also keep multiples of this step")


class ExperimentConfig(Frozen):
    """One run: data, network, training, evaluation, and the seed of all of its randomness."""

    seed: int = Field(0, ge=0, lt=2**32)
    data: DataConfig = DataConfig()
    model: Model = TransformerConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    checkpoints: CheckpointConfig = CheckpointConfig()

    @model_validator(mode="after")
    def _consistent(self) -> "ExperimentConfig":
        data, evaluation = self.data, self.evaluation
        errors = []
        if "fewshot_holdout" in evaluation.conditions and data.num_holdout_classes == 0:
            errors.append(
                "data.num_holdout_classes = 0; allowed: at least evaluation.ways = "
                f"{evaluation.ways} for the condition fewshot_holdout"
            )
        elif "fewshot_holdout" in evaluation.conditions and (
            data.num_holdout_classes < evaluation.ways
        ):
            errors.append(
                f"evaluation.ways = {evaluation.ways}; allowed: at most "
                f"data.num_holdout_classes = {data.num_holdout_classes}"
            )
        if evaluation.ways > data.num_classes:
            errors.append(
                f"evaluation.ways = {evaluation.ways}; allowed: at most data.num_classes = "
                f"{data.num_classes}"
            )
        embedder = self.model.embedder
        most = min(data.source.size**2, data.num_classes * data.num_exemplars)
        if embedder.kind == "pca" and embedder.num_components > most:
            errors.append(
                f"model.embedder.num_components = {embedder.num_components}; allowed: at most "
                f"{most}, the smaller of the pixels and the exemplars of training classes"
            )
        _raise(errors)
        return self
