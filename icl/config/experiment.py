"""The roots of the config: a run on sequences, and a run on a task over time.

What other modules must know of a root without asking which one it is:

    problem      name of the module of `icl.problems` that trains on it
    source       the settings of what must be loaded before training
    source_text  the line that is printed before it is loaded
    has_context  whether sequences have a context, and so metrics of the labels in it
"""

from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from icl.config.base import Settings, Traced, raise_all
from icl.config.checks.data import condition_errors
from icl.config.checks.networks import embedder_errors, token_errors
from icl.config.connectivity import Connectivity, connectivity_errors
from icl.config.data import DataConfig
from icl.config.evaluation import EvaluationConfig, TaskEvaluationConfig
from icl.config.networks import Model, TransformerConfig
from icl.config.sources import Source
from icl.config.task_networks import RateNetwork, TaskNetworkConfig
from icl.config.tasks import TaskConfig
from icl.config.training import CheckpointConfig, TrainingConfig

Seed = Annotated[int, Field(ge=0, lt=2**32), Traced()]


class ExperimentConfig(Settings):
    """One run on sequences: data, network, training, evaluation, and the seed of all randomness."""

    seed: Seed = 0
    data: DataConfig = DataConfig()
    model: Model = TransformerConfig()
    connectivity: dict[str, Connectivity] = Field(
        {},
        description="initial weight matrices, by pattern of their names, as block*/mixer/qkv/*; "
        "the longest pattern that fits counts",
    )
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    checkpoints: CheckpointConfig = CheckpointConfig()

    problem: ClassVar[str] = "sequences"
    has_context: ClassVar[bool] = True

    @property
    def source(self) -> Source:
        return self.data.source

    @property
    def source_text(self) -> str:
        return f"exemplars: {self.data.source.kind}"

    @model_validator(mode="after")
    def _consistent(self) -> "ExperimentConfig":
        errors = condition_errors(self.data, self.evaluation)
        others = embedder_errors(self.model, self.data) + connectivity_errors(self.connectivity)
        if not errors:  # conditions with mistakes have no length
            others += token_errors(self.model, self.data, self.evaluation, self.training)
        raise_all(errors + others)
        return self


class TaskExperimentConfig(Settings):
    """One run on a task: task, network, training, evaluation, and the seed of all randomness."""

    seed: Seed = 0
    task: TaskConfig
    model: TaskNetworkConfig = RateNetwork()
    connectivity: dict[str, Connectivity] = Field(
        {}, description="initial weight matrices, by pattern of their names, as recurrent"
    )
    training: TrainingConfig = TrainingConfig()
    evaluation: TaskEvaluationConfig = TaskEvaluationConfig()
    checkpoints: CheckpointConfig = CheckpointConfig()

    problem: ClassVar[str] = "trials"
    has_context: ClassVar[bool] = False

    @property
    def source(self) -> TaskConfig:
        return self.task

    @property
    def source_text(self) -> str:
        return f"task: {self.task.kind}"

    @model_validator(mode="after")
    def _consistent(self) -> "TaskExperimentConfig":
        errors = connectivity_errors(self.connectivity)
        if self.training.interim_weight:
            errors.append(
                f"training.interim_weight = {self.training.interim_weight}; allowed of a task: 0, "
                "as a task weighs its own steps"
            )
        raise_all(errors)
        return self


AnyConfig = ExperimentConfig | TaskExperimentConfig

# Kinds of experiments, by the branch that only they have; without any it is the last.
EXPERIMENTS: dict[str, type[AnyConfig]] = {
    "task": TaskExperimentConfig,
    "data": ExperimentConfig,
}
