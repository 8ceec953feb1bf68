"""Training and checkpoints as settings."""

from typing import Annotated, Literal

from pydantic import Field

from icl.config.base import Settings, Traced
from icl.config.parts import NameIn

# Losses of an answer; `icl.training.losses` defines each.
LOSSES = {"cross_entropy": "cross-entropy (nats)"}


class TrainingConfig(Settings):
    """Adam or gradient descent with linear warm-up; the loss is at the query."""

    num_steps: int = Field(6000, ge=1, lt=2**31)
    batch_size: int = Field(64, ge=1)
    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: Annotated[float, Traced()] = Field(
        1e-3, gt=0, description="peak rate, at the end of warm-up"
    )
    warmup_steps: Annotated[int, Traced()] = Field(1000, ge=1)
    decay: Annotated[Literal["inverse_sqrt", "none"], Traced()] = Field(
        "inverse_sqrt", description="schedule of the rate after warm-up"
    )
    weight_decay: Annotated[float, Traced()] = Field(
        0.0, ge=0, description="decoupled: weights shrink by rate * this at each step"
    )
    weight_decay_of: dict[str, Annotated[float, Field(ge=0), Traced()]] = Field(
        {},
        description="decay of weights whose path fits a pattern, as block*/mixer/*; the longest "
        "pattern counts",
    )
    clip_norm: Annotated[float | None, Traced()] = Field(
        None, gt=0, description="bound on the gradient's global norm"
    )
    adam_b1: Annotated[float, Traced()] = Field(0.9, ge=0, lt=1)
    adam_b2: Annotated[float, Traced()] = Field(0.999, ge=0, lt=1)
    momentum: Annotated[float, Traced()] = Field(
        0.0, ge=0, lt=1, description="of gradient descent (sgd)"
    )
    interim_weight: Annotated[float, Traced(off=0.0)] = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of the context's items in the loss; the query has the rest",
    )
    loss: Annotated[str, NameIn("loss", LOSSES)] = Field(
        "cross_entropy", description="of an answer, in training; tests record the cross-entropy"
    )
    stop_below: float | None = Field(
        None,
        gt=0,
        description="end at an evaluation if the mean training loss is below this, in nats",
    )
    patience: int | None = Field(
        None, ge=1, description="end after this many evaluations without a lower training loss"
    )


class CheckpointConfig(Settings):
    """Checkpoints: when they are saved, and which are kept."""

    every: int = Field(1000, ge=1, description="training steps between checkpoints")
    keep_last: int = Field(2, ge=1)
    keep_every: int | None = Field(None, ge=1, description="also keep multiples of this step")
