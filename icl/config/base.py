"""What all branches of the config share."""

from pydantic import BaseModel, BeforeValidator, ConfigDict


class Settings(BaseModel):
    """Immutable, strict about unknown keys, types and NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def raise_all(errors: list[str]) -> None:
    """One line for each mistake; nothing where there is none."""
    if errors:
        raise ValueError("\n".join(errors))


# YAML has lists only; the config, being immutable, holds tuples.
FromList = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)
