"""The one description of an experiment: a tree of frozen, validated classes.

Every part of the simulator is made from a branch of this tree; nothing else carries settings.
Nothing here imports JAX or touches any data, so that a mistake is reported at once.
"""

from pydantic import Field, model_validator

from icl.config.base import Frozen, raise_all
from icl.config.checks import condition_errors
from icl.config.connectivity import Connectivity, connectivity_errors
from icl.config.data import DataConfig
from icl.config.models import Model, TransformerConfig
from icl.config.network_checks import embedder_errors, token_errors
from icl.config.runs import CheckpointConfig, EvaluationConfig, TrainingConfig
from icl.config.task_experiment import TaskExperimentConfig


class ExperimentConfig(Frozen):
    """One run: data, network, training, evaluation, and the seed of all of its randomness."""

    seed: int = Field(0, ge=0, lt=2**32)
    data: DataConfig = DataConfig()
    model: Model = TransformerConfig()
    connectivity: dict[str, Connectivity] = Field(
        {},
        description="how weight matrices begin, by pattern of their names, as block*/mixer/qkv/*; "
        "the longest that fits counts",
    )
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    checkpoints: CheckpointConfig = CheckpointConfig()

    @model_validator(mode="after")
    def _consistent(self) -> "ExperimentConfig":
        errors = condition_errors(self.data, self.evaluation)
        others = embedder_errors(self) + connectivity_errors(self.connectivity)
        # Of conditions that cannot be, the length is not known either.
        raise_all(errors + others + ([] if errors else token_errors(self)))
        return self


AnyConfig = ExperimentConfig | TaskExperimentConfig

__all__ = [
    "AnyConfig",
    "CheckpointConfig",
    "Connectivity",
    "DataConfig",
    "EvaluationConfig",
    "ExperimentConfig",
    "Model",
    "TaskExperimentConfig",
    "TrainingConfig",
]
