"""Base classes and types that all branches of the config share."""

from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator


class Settings(BaseModel):
    """An immutable branch of the config that refuses unknown keys, other types and NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _read_whole_numbers(cls, settings: Any) -> Any:
        """Read a number such as 1e4 as 10000 where a setting is a whole number."""
        if not isinstance(settings, dict):
            return settings
        found = {name: as_whole(settings[name]) for name in _whole_fields(cls) & settings.keys()}
        return {name: found.get(name, value) for name, value in settings.items()}


def as_whole(value: Any) -> Any:
    """Make whole numbers of floats without a fraction, in lists too; leave the rest as it is."""
    if isinstance(value, list | tuple):
        return type(value)(as_whole(child) for child in value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


@cache
def _whole_fields(settings: type[Settings]) -> frozenset[str]:
    fields = settings.model_fields.items()
    return frozenset(name for name, field in fields if is_whole(field.annotation))


def is_whole(annotation: Any) -> bool:
    """Whether a setting of this type is a whole number, perhaps null, or a list of them."""
    return leaves_of(annotation) - {type(None), ...} == {int}


def leaves_of(annotation: Any) -> set[Any]:
    """The types that an annotation is made of."""
    parts = get_args(annotation)
    if get_origin(annotation) is Annotated:
        return leaves_of(parts[0])
    if not parts or get_origin(annotation) is Literal:
        return {annotation}
    return set().union(*map(leaves_of, parts))


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
