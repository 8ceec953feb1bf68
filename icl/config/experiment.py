"""The roots of the config: a run on sequences, and a run on a task over time."""

from typing import ClassVar

from pydantic import Field, model_validator

from icl.config.base import Settings, raise_all
from icl.config.checks.data import condition_errors
from icl.config.checks.networks import embedder_errors, token_errors
from icl.config.connectivity import Connectivity, connectivity_errors
from icl.config.data import DataConfig
from icl.config.evaluation import EvaluationConfig, TaskEvaluationConfig
from icl.config.networks import Model, TransformerConfig
from icl.config.task_networks import RateNetwork, TaskNetworkConfig
from icl.config.tasks import TaskConfig
from icl.config.training import CheckpointConfig, TrainingConfig


class ExperimentConfig(Settings):
    """One run: data, network, training, evaluation, and the seed of all of its randomness."""

    problem: ClassVar[str] = "sequences"  # the module of `icl.problems`

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
        others = embedder_errors(self.model, self.data) + connectivity_errors(self.connectivity)
        # Of conditions that cannot be, the length is not known either.
        raise_all(
            errors
            + others
            + (
                []
                if errors
                else token_errors(self.model, self.data, self.evaluation, self.training)
            )
        )
        return self


class TaskExperimentConfig(Settings):
    """One run: task, network and how it begins, training, and the seed of all of its randomness."""

    problem: ClassVar[str] = "trials"  # the module of `icl.problems`

    seed: int = Field(0, ge=0, lt=2**32)
    task: TaskConfig
    model: TaskNetworkConfig = RateNetwork()
    connectivity: dict[str, Connectivity] = Field(
        {}, description="how weight matrices begin, by pattern of their names, as recurrent"
    )
    training: TrainingConfig = TrainingConfig()
    evaluation: TaskEvaluationConfig = TaskEvaluationConfig()
    checkpoints: CheckpointConfig = CheckpointConfig()

    @model_validator(mode="after")
    def _consistent(self) -> "TaskExperimentConfig":
        errors = connectivity_errors(self.connectivity)
        if self.training.interim_weight:
            errors.append(
                f"training.interim_weight = {self.training.interim_weight}; allowed of a task: 0, "
                "which weighs its steps itself"
            )
        raise_all(errors)
        return self


AnyConfig = ExperimentConfig | TaskExperimentConfig
