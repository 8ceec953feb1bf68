"""How a run or a sweep is made, beside its settings."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """Choices of a person that are no settings.

    other_code: whether to go on with runs that other source code has trained. Their numbers are
        then those of neither code; all records say so.
    loggers: names in `icl.runs.loggers.LOGGERS`.
    tags: words by which loggers file runs, such as the name of a paper.
    """

    other_code: bool = False
    loggers: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


DEFAULTS = Options()
