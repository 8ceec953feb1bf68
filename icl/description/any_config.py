"""The description of any config, chosen by the name of its problem."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from icl.config import AnyConfig
from icl.description.any_problem import describe_program
from icl.description.sequence_report import describe_sequences
from icl.description.tables import program_tables, sequence_tables
from icl.description.trial_tables import trial_tables
from icl.description.trials import describe_trials
from icl.files import to_lines, write_whole
from icl.problems.own_settings import own_settings


class Report(NamedTuple):
    """A description: numbers as JSON has them, PNGs by name of file, and tables for readers."""

    numbers: dict[str, Any]
    pictures: dict[str, bytes]
    tables: list[Any]


# By problem: (config) -> numbers and pictures, and (numbers) -> tables.
DESCRIPTIONS: dict[str, tuple[Callable[..., Any], Callable[..., list[Any]]]] = {
    "sequences": (describe_sequences, sequence_tables),
    "trials": (describe_trials, trial_tables),
}
ANY_OTHER = (describe_program, program_tables)


def write_description(report: Report, folder: Path) -> list[Path]:
    """Write the pictures, and the numbers as `description.json`; returns the files."""
    files: dict[str, str | bytes] = {
        **report.pictures,
        "description.json": to_lines(report.numbers),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_whole(folder / name, content)
    return [folder / name for name in files]


@own_settings()
def describe_any(config: AnyConfig) -> Report:
    """Describe a config before training. Raises UserError for mistakes of the user."""
    describe, tables = DESCRIPTIONS.get(config.problem, ANY_OTHER)
    numbers, pictures = describe(config)
    return Report(numbers, pictures, tables(numbers))
