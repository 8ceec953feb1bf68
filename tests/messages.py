"""What tests hold of messages to users: fields, values and bounds, not the English."""

import contextlib
import re
from collections.abc import Iterable, Iterator

import pytest

from icl.config.yaml import load_config
from icl.errors import UserError

from .conftest import QUICKSTART


def fields_of(lines: Iterable[str]) -> list[str]:
    """The field that each line names, without its value and what is allowed."""
    return [re.split(r" = |: | is empty|;", line, maxsplit=1)[0] for line in lines]


def errors(*overrides: str) -> tuple[str, ...]:
    """The lines that refuse the quick start with these overrides."""
    with pytest.raises(UserError) as caught:
        load_config(QUICKSTART, list(overrides))
    return caught.value.args


def spaced(settings: str) -> list[str]:
    """Overrides that are written in one line, without the blanks that YAML wants after colons."""
    return [word.replace(":", ": ") for word in settings.split()]


def check_line(line: str, subject: str, *others: str) -> None:
    """Asserts that a line names the subject and then each of the others.

    subject: a field and its value, as `data.p_bursty = 1.5`, or the end of a path. It begins the
        line, or comes after `error: ` or the name of a file. What is allowed follows a semicolon.
    others: bounds and names, anywhere after the subject.

    All are whole words and numbers: 23 is not found in 1623.
    """
    assert "\n" not in line
    found = re.search(rf"(?:^|: |/){_whole(subject)}", line.partition("; ")[0])
    assert found, f"{subject!r} is not the subject of {line!r}"
    for other in others:
        rest = line[found.end() :]
        assert re.search(_whole(other), rest), f"{other!r} does not follow in {line!r}"


@contextlib.contextmanager
def refused(subject: str, *others: str) -> Iterator[None]:
    """A context that asserts a `UserError` of one line about the subject; see `check_line`."""
    with pytest.raises(UserError) as caught:
        yield
    (line,) = caught.value.args
    check_line(line, subject, *others)


def _whole(part: str) -> str:
    return rf"(?<![\w.]){re.escape(part)}(?!\w|\.\w)"
