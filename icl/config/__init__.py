"""The one description of an experiment: a tree of frozen, validated classes.

Every part of the simulator is made from a branch of this tree; nothing else carries settings.
Nothing here imports JAX or touches any data, so that a mistake is reported at once. Only the number
of classes in the user's own file is read, if the config gives none (`icl.config.features_file`).
"""

from icl.config.connectivity import Connectivity
from icl.config.data import DataConfig
from icl.config.evaluation import EvaluationConfig
from icl.config.experiment import AnyConfig, ExperimentConfig, TaskExperimentConfig
from icl.config.networks import Model
from icl.config.training import CheckpointConfig, TrainingConfig

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
