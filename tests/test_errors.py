"""Errors in one line: those of others, and names that are not known."""

import pytest

from icl.errors import allowed, first_line


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


NAMES = ["width", "num_layers", "num_heads"]
MANY_NAMES = [*NAMES, *(f"other{i}" for i in range(20))]


@pytest.mark.parametrize(
    ("given", "options", "text"),
    [
        ("wdith", {}, "did you mean width? allowed: width, num_layers, num_heads"),
        ("lr", {"of": " of model"}, "allowed of model: width, num_layers, num_heads"),
        (
            "num_layer",
            {"branch": "model."},
            "did you mean model.num_layers? allowed: width, num_layers, num_heads",
        ),
        (3, {}, "allowed: width, num_layers, num_heads"),
        ("width", {"page": "docs/x.md"}, "did you mean width? allowed: " + ", ".join(NAMES)),
    ],
)
def test_the_name_that_may_be_meant_comes_first(given: object, options: dict, text: str):
    assert allowed(given, NAMES, **options) == text


def test_many_names_are_listed_by_a_page():
    text = "did you mean width? allowed: width and 22 more (docs/x.md)"
    assert allowed("widht", MANY_NAMES, page="docs/x.md") == text
    text = "allowed: width, num_layers, num_heads and 20 more (docs/x.md)"
    assert allowed("lr", MANY_NAMES, page="docs/x.md") == text
    assert allowed("lr", MANY_NAMES) == "allowed: " + ", ".join(MANY_NAMES)
