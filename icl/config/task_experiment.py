"""One run on a task over time, as settings."""

from typing import ClassVar

from pydantic import Field, model_validator

from icl.config.base import Frozen, raise_all
from icl.config.connectivity import Connectivity, connectivity_errors
from icl.config.runs import CheckpointConfig, TrainingConfig
from icl.config.task_networks import RateNetwork, TaskNetworkConfig
from icl.config.tasks import TaskConfig


class TaskEvaluationConfig(Frozen):
    """When and on how many trials the network is evaluated, and its learning measured."""

    every: int = Field(1000, ge=1, description="training steps between evaluations")
    num_sequences: int = Field(1024, ge=1, description="trials, fresh each time")
    num_trials: int = Field(
        320, ge=2, description="of which hidden states are compared with those of the start"
    )
    num_kernel_trials: int = Field(32, ge=1, description="the same of tangent kernels")

    conditions: ClassVar[tuple[str, ...]] = ("task",)


class TaskExperimentConfig(Frozen):
    """One run: task, network and how it begins, training, and the seed of all of its randomness."""

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
