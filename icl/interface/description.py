"""`icl.describe` and `Description`: data and network before training."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from icl.interface.configs import Overrides, Settings, config_of

if TYPE_CHECKING:
    from icl.description.any_config import Report


def describe(
    config: Settings = "quickstart",
    overrides: Overrides | None = None,
    *,
    seed: int | None = None,
) -> "Description":
    """Draw, measure and score what a config describes, without training.

    The same as the command `icl describe`, which takes the same settings. Takes some seconds.

    Raises UserError for what a user can correct.
    """
    resolved = config_of(config, overrides, seed)
    from icl.description.any_config import describe_any

    return Description(describe_any(resolved))


class Description:
    """A config before training.

    The numbers are attributes: `ceilings`, `theory`, `chance`, `num_parameters` and so on. The
    dictionary `numbers` has all of them, and `dir()` lists them.

    pictures: PNG files by name.
    """

    def __init__(self, report: "Report"):
        self._report = report
        self.numbers: dict[str, Any] = report.numbers
        self.pictures: dict[str, bytes] = report.pictures

    def __getattr__(self, name: str) -> Any:
        numbers = self.__dict__.get("numbers", {})
        if name not in numbers:
            raise AttributeError(f"no {name!r}; there are: {', '.join(numbers)}")
        return numbers[name]

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self.numbers})

    def print(self) -> None:
        """Print the tables of the command."""
        from icl.description.tables import print_tables

        print_tables(self._report.tables, [], sys.stdout)

    def save(self, folder: str | Path) -> list[Path]:
        """Write the pictures and `description.json`; returns the files."""
        from icl.description.any_config import write_description

        return write_description(self._report, Path(folder))
