"""Evaluation as settings: when, on how many sequences or trials, in which conditions."""

from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from icl.config.base import MAX_COUNT, FromList, Settings, raise_all
from icl.config.families import MAX_CONTEXT_LEN
from icl.config.probes import RICH_OR_LAZY, Probes

MAX_SEQUENCES = 10_000_000
MAX_TRIALS = 10_000  # compared in pairs


class EvaluationConfig(Settings):
    """Evaluations during training: when, and on how many sequences."""

    every: int = Field(500, ge=1, le=MAX_COUNT, description="training steps between evaluations")
    num_sequences: int = Field(
        1024, ge=1, le=MAX_SEQUENCES, description="for each condition, fresh each time"
    )
    shots: int = Field(4, ge=1, le=MAX_CONTEXT_LEN, description="of few-shot conditions")
    ways: int = Field(2, ge=2, le=MAX_CONTEXT_LEN, description="of few-shot conditions")
    conditions: Annotated[tuple[str, ...], FromList] = Field(
        ("fewshot_holdout", "fewshot_train", "no_support"),
        min_length=1,
        description="`train`, or names of families",
    )
    probes: Probes = ()

    @model_validator(mode="before")
    @classmethod
    def _read_measures(cls, settings: Any) -> Any:
        """Read `measures`, which switched on all probes that release 0.1.0 had."""
        if not isinstance(settings, dict) or not isinstance(settings.get("measures"), bool):
            return settings
        others = {name: value for name, value in settings.items() if name != "measures"}
        if settings["measures"] and "probes" in others:
            raise_all(
                [
                    "evaluation.measures = true; allowed: evaluation.probes alone, as measures "
                    f"stand for {', '.join(RICH_OR_LAZY)}"
                ]
            )
        return {"probes": list(RICH_OR_LAZY), **others} if settings["measures"] else others

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


class TaskEvaluationConfig(Settings):
    """Evaluations during training: when, and on how many trials."""

    every: int = Field(1000, ge=1, le=MAX_COUNT, description="training steps between evaluations")
    num_sequences: int = Field(1024, ge=1, le=MAX_SEQUENCES, description="trials, fresh each time")
    num_trials: int = Field(
        320,
        ge=2,
        le=MAX_TRIALS,
        description="trials whose hidden states are compared with those at the start",
    )
    num_kernel_trials: int = Field(
        32,
        ge=1,
        le=MAX_TRIALS,
        description="trials whose tangent kernels are compared with those at the start",
    )

    probes: Probes = RICH_OR_LAZY

    conditions: ClassVar[tuple[str, ...]] = ("task",)
