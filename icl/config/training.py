"""Training and checkpoints as settings."""

from typing import Annotated, Literal

from pydantic import Field

from icl.config.base import BELOW_ONE, HUGE, MAX_COUNT, TINY, Settings, Traced
from icl.config.parts import NameIn

MAX_BATCH = 10_000_000
MAX_RATE = 1e30  # finite in float32

# Decays with which the rate at a step does not depend on `num_steps`.
ENDLESS = ("inverse_sqrt", "none")
# Losses of an answer; `icl.training.losses` defines each.
LOSSES = {"cross_entropy": "cross-entropy (nats)"}


class TrainingConfig(Settings):
    """Adam or gradient descent with linear warm-up; the loss is at the query."""

    num_steps: int = Field(6000, ge=1, lt=2**31)
    batch_size: int = Field(64, ge=1, le=MAX_BATCH)
    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: Annotated[float, Traced()] = Field(
        1e-3, ge=TINY, le=MAX_RATE, description="peak rate, at the end of warm-up"
    )
    warmup_steps: Annotated[int, Traced()] = Field(1000, ge=1, le=MAX_COUNT)
    decay: Annotated[Literal["inverse_sqrt", "none"], Traced()] = Field(
        "inverse_sqrt", description="schedule of the rate after warm-up"
    )
    weight_decay: Annotated[float, Traced()] = Field(
        0.0, ge=0, le=HUGE, description="decoupled: weights shrink by rate * this at each step"
    )
    weight_decay_of: dict[str, Annotated[float, Field(ge=0, le=HUGE), Traced()]] = Field(
        {},
        description="decay of weights whose path fits a pattern, as block*/mixer/*; the longest "
        "pattern counts",
    )
    clip_norm: Annotated[float | None, Traced()] = Field(
        None, ge=TINY, le=1e30, description="bound on the gradient's global norm"
    )
    adam_b1: Annotated[float, Traced()] = Field(0.9, ge=0, le=BELOW_ONE)
    adam_b2: Annotated[float, Traced()] = Field(0.999, ge=0, le=BELOW_ONE)
    momentum: Annotated[float, Traced()] = Field(
        0.0, ge=0, le=BELOW_ONE, description="of gradient descent (sgd)"
    )
    interim_weight: Annotated[float, Traced(off=0.0)] = Field(
        0.0,
        ge=0,
        le=BELOW_ONE,
        description="share of the context's items in the loss; the query has the rest",
    )
    loss: Annotated[str, NameIn("loss", LOSSES)] = Field(
        "cross_entropy", description="of an answer, in training; tests record the cross-entropy"
    )
    stop_below: float | None = Field(
        None,
        ge=TINY,
        le=HUGE,
        description="end at an evaluation if the mean training loss is below this, in nats",
    )
    patience: int | None = Field(
        None,
        ge=1,
        le=MAX_COUNT,
        description="end after this many evaluations without a lower training loss",
    )


class CheckpointConfig(Settings):
    """Checkpoints: when they are saved, and which are kept."""

    every: int = Field(1000, ge=1, le=MAX_COUNT, description="training steps between checkpoints")
    keep_last: int = Field(2, ge=1, le=MAX_COUNT)
    keep_every: int | None = Field(
        None, ge=1, le=MAX_COUNT, description="also keep multiples of this step"
    )
