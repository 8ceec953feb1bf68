"""The description of any config, by the name of its problem."""

from collections.abc import Callable
from typing import Any, NamedTuple

from icl.config import AnyConfig
from icl.description.any_problem import describe_program
from icl.description.sequence_report import describe_sequences
from icl.description.tables import program_tables, sequence_tables
from icl.description.trial_tables import trial_tables
from icl.description.trials import describe_trials


class Report(NamedTuple):
    """numbers: as JSON has them. pictures: PNGs by name of file. tables: for a person."""

    numbers: dict[str, Any]
    pictures: dict[str, bytes]
    tables: list[Any]


# By problem: (config) to numbers and pictures, and (numbers) to tables. Others have the last.
DESCRIPTIONS: dict[str, tuple[Callable[..., Any], Callable[..., list[Any]]]] = {
    "sequences": (describe_sequences, sequence_tables),
    "trials": (describe_trials, trial_tables),
}
ANY_OTHER = (describe_program, program_tables)


def describe_any(config: AnyConfig) -> Report:
    """What a config describes, before training. Raises UserError for what a user can mend."""
    describe, tables = DESCRIPTIONS.get(config.problem, ANY_OTHER)
    numbers, pictures = describe(config)
    return Report(numbers, pictures, tables(numbers))
