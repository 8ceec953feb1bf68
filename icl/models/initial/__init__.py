"""Initial connectivity: how weight matrices begin, and their replacement before training."""

from icl.models.initial.connectivity import connect, make_numbers
from icl.models.initial.initializers import INITIALIZERS

__all__ = ["INITIALIZERS", "connect", "make_numbers"]
