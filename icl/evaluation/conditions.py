"""The conditions of an evaluation, as the families that draw their sequences.

`icl.config.conditions` says which strategy each shows.
"""

from icl.config import DataConfig, EvaluationConfig
from icl.data.families.base import Family
from icl.data.families.make import make_families, make_family


def make_conditions(data: DataConfig, evaluation: EvaluationConfig) -> dict[str, Family]:
    """The family of each condition, by name; `train` is the training mixture."""
    return {
        name: make_families(data)["train"]
        if name == "train"
        else make_family(data.family(name), data, evaluation)
        for name in evaluation.conditions
    }
