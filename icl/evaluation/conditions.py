"""The conditions that a network is evaluated in, by name."""

from icl.config import DataConfig, EvaluationConfig
from icl.data.families.base import Family
from icl.data.families.make import make_families, make_family


def make_conditions(data: DataConfig, evaluation: EvaluationConfig) -> dict[str, Family]:
    """The families that a network is tested on, by name; `train` is what it is trained on."""
    return {
        name: make_families(data)["train"]
        if name == "train"
        else make_family(data.family(name), data, evaluation)
        for name in evaluation.conditions
    }
