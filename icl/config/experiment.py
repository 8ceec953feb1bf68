"""The roots of the config: a run on sequences, and a run on a task over time."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, model_validator

from icl.config.base import Settings, Traced, raise_all
from icl.config.checks.data import condition_errors
from icl.config.checks.networks import embedder_errors, token_errors
from icl.config.connectivity import Connectivity, connectivity_errors
from icl.config.data import DataConfig
from icl.config.evaluation import EvaluationConfig, TaskEvaluationConfig
from icl.config.families import AnyFamily, FewShotFamily
from icl.config.networks import Model, TransformerConfig
from icl.config.sources import AnySource
from icl.config.task_networks import RateNetwork, TaskNetworkConfig
from icl.config.tasks import OverTime, TaskConfig
from icl.config.training import CheckpointConfig, TrainingConfig

Seed = Annotated[int, Field(ge=0, lt=2**32), Traced()]


class AnyConfig(Settings):
    """The config of a run on any problem: what all roots share.

    problem: name of the module of `icl.problems` that trains on it.
    has_context: whether sequences have a context, and so metrics of the labels in it.
    """

    problem: ClassVar[str]
    has_context: ClassVar[bool]

    seed: Seed = 0

    if TYPE_CHECKING:
        # Fields of every root. Each root declares them itself, after the branch that only it has:
        # recorded configs have that order, and fields of a base class would come first. All read
        # `model.kind`, and `every`, `num_sequences` and `conditions` of `evaluation`.
        model: Any
        connectivity: dict[str, Connectivity]
        training: TrainingConfig
        evaluation: Any
        checkpoints: CheckpointConfig

    @property
    @abstractmethod
    def source(self) -> Any:
        """The settings of what must be loaded before training."""

    @property
    @abstractmethod
    def source_text(self) -> str:
        """The line that is printed before it is loaded."""

    @property
    def own_families(self) -> Mapping[str, AnyFamily]:
        """Families of sequences that the user named, by name; none without sequences."""
        return {}

    @property
    def remarks(self) -> list[str]:
        """Lines to print before training: what is allowed, but perhaps not meant."""
        return []

    @property
    def family_names(self) -> tuple[str, ...]:
        """The names of the families that the run draws from, in training and in tests."""
        return tuple(self.evaluation.conditions)


class ExperimentConfig(AnyConfig):
    """One run on sequences: data, network, training, evaluation, and the seed of all randomness."""

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
    def source(self) -> AnySource:
        return self.data.source

    @property
    def source_text(self) -> str:
        return f"exemplars: {self.data.source.kind}"

    @property
    def own_families(self) -> Mapping[str, AnyFamily]:
        return self.data.families

    @property
    def family_names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys([*self.data.weights, *self.evaluation.conditions]))

    @property
    def remarks(self) -> list[str]:
        data, evaluation = self.data, self.evaluation
        families = [data.family(name) for name in evaluation.conditions if name != "train"]
        few_shot = [family for family in families if isinstance(family, FewShotFamily)]
        has_default = any(family.ways is None for family in few_shot)
        if not has_default or data.ways == evaluation.ways:
            return []
        return [
            f"few-shot conditions have evaluation.ways = {evaluation.ways} classes, and bursty "
            f"training sequences data.ways = {data.ways}"
        ]

    @model_validator(mode="after")
    def _consistent(self) -> "ExperimentConfig":
        errors = condition_errors(self.data, self.evaluation)
        others = embedder_errors(self.model, self.data, self.data.source.shape)
        others += connectivity_errors(self.connectivity)
        if not errors:  # conditions with mistakes have no length
            others += token_errors(self.model, self.data, self.evaluation, self.training)
        raise_all(errors + others)
        return self


class TaskExperimentConfig(AnyConfig):
    """One run on a task: task, network, training, evaluation, and the seed of all randomness."""

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
    def source(self) -> OverTime:
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
        if self.training.loss != "cross_entropy":
            errors.append(
                f"training.loss = {self.training.loss}; allowed of a task: cross_entropy, as a "
                "task weighs its own steps"
            )
        raise_all(errors)
        return self


# Roots, by the branch that only they have; a config without any is an `ExperimentConfig`.
EXPERIMENTS: dict[str, type[AnyConfig]] = {
    "task": TaskExperimentConfig,
    "data": ExperimentConfig,
}
