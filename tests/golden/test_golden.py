"""What the program computes and says, against what it did when the golden values were recorded."""

from pathlib import Path

import pytest

from tests.golden.store import canary, differences, load
from tests.golden.subjects import SUBJECTS, Subject


def marks(subject: Subject, item: str) -> list[pytest.MarkDecorator]:
    return [pytest.mark.slow] * (item in subject.slow) + [pytest.mark.quick] * subject.is_quick


STORED = {name: load(name) for name in [*SUBJECTS, "canary"]}
ITEMS = [
    pytest.param(name, item, id=f"{name}-{item}", marks=marks(subject, item))
    for name, subject in SUBJECTS.items()
    for item in subject.names
]


@pytest.fixture(scope="module")
def is_same_machine() -> bool:
    """Whether this machine computes to the last bit as the one that recorded the values."""
    return canary() == STORED["canary"]["canary"]


@pytest.mark.parametrize(("name", "item"), ITEMS)
def test_values_are_those_recorded(name: str, item: str, tmp_path: Path, is_same_machine: bool):
    assert item in STORED[name], f"record it: python -m tests.golden {name}"
    computed = SUBJECTS[name].compute(item, tmp_path)
    found = differences(computed, STORED[name][item], SUBJECTS[name].rtol, is_same_machine)
    assert list(found) == []


@pytest.mark.parametrize("name", SUBJECTS)
def test_all_that_is_recorded_is_compared(name: str):
    assert set(STORED[name]) == set(SUBJECTS[name].names)


def test_a_difference_is_found():
    stored = {"a": [1.0, "x"], "machine_digest": "one"}
    assert list(differences({"a": [1.0 + 1e-7, "x"]} | stored, stored, 1e-5)) == []
    assert list(differences(stored | {"machine_digest": "two"}, stored, 1e-5, False)) == []
    for other in (
        stored | {"machine_digest": "two"},
        stored | {"a": [1.001, "x"]},
        stored | {"a": [1, "x"]},
        stored | {"a": [1.0, "y"]},
        stored | {"a": [1.0]},
        stored | {"b": 1},
        {"a": [1.0, "x"]},
    ):
        assert len(list(differences(other, stored, 1e-5))) == 1
