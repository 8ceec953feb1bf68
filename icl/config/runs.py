"""Training, evaluation and checkpoints as settings."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from icl.config.base import FromList, Frozen, raise_all
from icl.config.families import MAX_CONTEXT_LEN


class TrainingConfig(Frozen):
    """Adam or gradient descent with linear warm-up; the loss is at the query."""

    num_steps: int = Field(6000, ge=1, lt=2**31)
    batch_size: int = Field(64, ge=1)
    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: float = Field(1e-3, gt=0, description="at the peak, the end of warm-up")
    warmup_steps: int = Field(1000, ge=1)
    decay: Literal["inverse_sqrt", "none"] = Field(
        "inverse_sqrt", description="of the rate after warm-up"
    )
    weight_decay: float = Field(0.0, ge=0, description="decoupled: weights shrink by rate * this")
    weight_decay_of: dict[str, Annotated[float, Field(ge=0)]] = Field(
        {},
        description="of weights whose path fits a pattern, as block*/mixer/*; the longest wins",
    )
    clip_norm: float | None = Field(None, gt=0, description="bound on the gradient's global norm")
    adam_b1: float = Field(0.9, ge=0, lt=1)
    adam_b2: float = Field(0.999, ge=0, lt=1)
    momentum: float = Field(0.0, ge=0, lt=1, description="of gradient descent (sgd)")
    interim_weight: float = Field(
        0.0, ge=0, lt=1, description="in the loss, of the context's items; the query has the rest"
    )
    stop_below: float | None = Field(
        None, gt=0, description="end at an evaluation with a mean training loss below this, in nats"
    )
    patience: int | None = Field(
        None, ge=1, description="end after so many evaluations without a lower training loss"
    )


class EvaluationConfig(Frozen):
    """When and on how many sequences the network is evaluated while it trains."""

    every: int = Field(500, ge=1, description="training steps between evaluations")
    num_sequences: int = Field(1024, ge=1, description="for each condition, fresh each time")
    shots: int = Field(4, ge=1, description="of few-shot conditions")
    ways: int = Field(2, ge=2, description="of few-shot conditions")
    conditions: Annotated[tuple[str, ...], FromList] = Field(
        ("fewshot_holdout", "fewshot_train", "no_support"),
        min_length=1,
        description="`train`, or names of families",
    )
    measures: bool = Field(
        False,
        description="in each condition, also how far weights, hidden states and tangent kernels "
        "have moved since the start",
    )

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
        raise_all(errors)
        return self


class CheckpointConfig(Frozen):
    """When the training state is saved, and which saves are kept."""

    every: int = Field(1000, ge=1, description="training steps between checkpoints")
    keep_last: int = Field(2, ge=1)
    keep_every: int | None = Field(None, ge=1, description="also keep multiples of this step")
