"""The distribution of training sequences as validated settings."""

from pydantic import model_validator

from icl.config.base import raise_all
from icl.config.checks.data import data_errors
from icl.config.data_settings import DataSettings


class DataConfig(DataSettings):
    """The training data: classes, their labels and exemplars, and sequences of them."""

    @model_validator(mode="after")
    def _consistent(self) -> "DataConfig":
        raise_all(data_errors(self))
        return self
