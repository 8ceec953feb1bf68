"""Lines of progress about an evaluation."""

from typing import Any

import pytest

from icl.runs.progress import scores_of

TASK = {"accuracy": 0.5, "representation_alignment": None, "kernel_alignment": 0.25}


@pytest.mark.parametrize(
    ("conditions", "text"),
    [
        ({"task": TASK}, "accuracy 0.50  RA none  KA 0.25"),  # units that fell silent have no RA
        (
            {"fewshot_holdout": {"accuracy_in_context": 1}, "no_support": {"accuracy": 0}},
            "ICL 1.00  IWL 0.00",
        ),
        ({"train": {"accuracy": 1}}, ""),
        (
            {
                "fewshot_train": {"accuracy_in_context": 0.5},
                "fewshot_holdout": {"accuracy_in_context": 0.25},
                "no_support_rare": {"accuracy": 0.75},
            },
            "ICL 0.25  IWL 0.75",
        ),
    ],
)
def test_scores_are_those_there_are(conditions: dict[str, Any], text: str):
    assert scores_of({"conditions": conditions}) == text
