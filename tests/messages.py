"""What tests assert about mistakes: the field and its value, not the wording."""

import re
from collections.abc import Iterable


def fields_of(lines: Iterable[str]) -> list[str]:
    """The field that each line names, without its value and what is allowed."""
    return [re.split(r" = |: | is empty|;", line, maxsplit=1)[0] for line in lines]
