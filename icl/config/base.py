"""Base classes and types that all branches of the config share."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class Settings(BaseModel):
    """An immutable branch of the config that refuses unknown keys, other types and NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


# Bounds of numbers. Programs count in 32 bits, and hold numbers that are not whole in 32 bits too:
# what is smaller than TINY or closer to one than BELOW_ONE would be zero or one there.
MAX_COUNT = 2**31 - 1
MAX_WIDTH = 100_000  # of vectors and matrices, along one axis
MAX_LAYERS = 1000
TINY, BELOW_ONE = 1e-30, 0.9999999
HUGE = 1e6  # of rates, gains and deviations

ALWAYS = object()


@dataclass(frozen=True)
class Traced:
    """Marks a setting that the compiled program takes as an argument.

    Runs that differ in no other setting share one program. `Annotated[float, Traced()]` marks a
    setting, and `dict[str, Annotated[float, Traced()]]` all entries of a table.

    off: the value at which the program leaves out what the setting controls; ALWAYS: it never does.
    is_sized: a list's length is that of an array of the program, so that other lengths are other
        programs.
    """

    off: Any = ALWAYS
    is_sized: bool = True


def raise_all(errors: list[str]) -> None:
    """Raise ValueError with one line for each mistake; do nothing if there is none."""
    if errors:
        raise ValueError("\n".join(errors))


Probability = Annotated[float, Field(ge=0, le=1)]
# YAML has lists only; the config is immutable and holds tuples.
FromList = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)
