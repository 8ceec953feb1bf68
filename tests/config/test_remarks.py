"""Remarks on what is allowed, but perhaps not meant."""

import pytest

from icl.config import AnyConfig
from icl.config.yaml import load_config

from ..conftest import QUICKSTART

REMARK = (
    "few-shot conditions have evaluation.ways = 2 classes, and bursty training sequences "
    "data.ways = 4"
)


@pytest.mark.parametrize(
    ("words", "remarks"),
    [
        ([], []),
        (["data.ways=4", "data.shots=2"], [REMARK]),
        (["data.ways=4", "data.shots=2", "evaluation.ways=4", "evaluation.shots=2"], []),
        (["data.ways=4", "data.shots=2", "evaluation.conditions=[no_support]"], []),
    ],
)
def test_training_and_tests_with_other_numbers_of_classes(words: list[str], remarks: list[str]):
    config: AnyConfig = load_config(QUICKSTART, words)
    assert config.remarks == remarks


def test_a_task_has_none():
    assert load_config(QUICKSTART.parent / "liu2023" / "base.yaml").remarks == []
