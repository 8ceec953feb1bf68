"""The distribution of training sequences as validated settings."""

from pydantic import model_validator

from icl.config.base import raise_all
from icl.config.checks.data import data_errors
from icl.config.class_counts import all_classes
from icl.config.data_settings import DataSettings
from icl.config.sources import FeaturesSource


class DataConfig(DataSettings):
    """The training data: classes, their labels and exemplars, and sequences of them.

    `num_classes` is never null: it becomes the number of all classes that are not held out.
    """

    @model_validator(mode="after")
    def _consistent(self) -> "DataConfig":
        is_unset = "num_classes" not in self.model_fields_set
        if self.num_classes is None or (is_unset and isinstance(self.source, FeaturesSource)):
            self.__dict__["num_classes"] = all_classes(self)  # frozen for everybody else
            self.__pydantic_fields_set__.add("num_classes")
        raise_all(data_errors(self))
        return self
