"""Errors of others in one line."""

import pytest

from icl.errors import first_line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("one\ntwo"), "one"),
        (ValueError("\none"), "one"),
        (MemoryError(), "MemoryError"),
        (ValueError("x" * 300), "x" * 200),
    ],
    ids=["lines", "blank", "empty", "long"],
)
def test_the_first_line_says_something_and_is_short(error: Exception, line: str):
    assert first_line(error) == line
