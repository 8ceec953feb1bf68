"""Lines of progress about an evaluation."""

import json
from pathlib import Path
from typing import Any, ClassVar

import pytest

from icl.config import AnyConfig
from icl.config.base import Settings
from icl.config.probes import ALIGNMENTS_NOTE
from icl.config.yaml import parse_config
from icl.records.run_directory import RunDirectory
from icl.runs.progress import Progress, scores_of

TRIAL = {"accuracy": 0.5, "representation_alignment": None, "kernel_alignment": 0.25}
OWN = {
    "mine": {"kind": "independent", "support": "never"},
    "yours": {"kind": "few_shot"},
    "no_support_ours": {"kind": "independent"},
}


class TwoConditions(Settings):
    conditions: ClassVar[tuple[str, ...]] = ("near", "far")


class WithoutContext(AnyConfig):
    evaluation: TwoConditions = TwoConditions()

    has_context: ClassVar[bool] = False

    @property
    def source(self) -> None: ...
    @property
    def source_text(self) -> str:
        return ""


def sequences(names: list[str]) -> AnyConfig:
    own = {name: OWN[name] for name in names if name in OWN}
    return parse_config({"data": {"families": own}, "evaluation": {"conditions": names}})


@pytest.mark.parametrize(
    ("conditions", "text"),
    [
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
        # Families of a user's own show the strategy that their settings give them.
        (
            {
                "no_support_ours": {"accuracy": 0, "accuracy_in_context": 0},
                "mine": {"accuracy": 0.5, "accuracy_in_context": 0},
                "yours": {"accuracy": 0, "accuracy_in_context": 0.75},
            },
            "ICL 0.75  IWL 0.50",
        ),
        (
            {
                "train": {"accuracy": 1},
                "no_support": {"accuracy": 0.5, "kernel_alignment": 0.25},
                "flip": {"accuracy": 0.5, "kernel_alignment": 0.75},
            },
            "IWL 0.50  KA 0.25",
        ),
    ],
)
def test_scores_are_those_there_are(conditions: dict[str, Any], text: str):
    assert scores_of(sequences([*conditions]), {"conditions": conditions}) == text


def test_without_a_context_scores_are_accuracies():
    task = parse_config({"task": {"kind": "two_alternative"}})
    # Units that fell silent have no RA.
    assert scores_of(task, {"conditions": {"task": TRIAL}}) == "accuracy 0.50  RA none  KA 0.25"
    conditions = {"near": {"accuracy": 0.5}, "far": {"accuracy": 0.25}}
    assert scores_of(WithoutContext(), {"conditions": conditions}) == "near 0.50  far 0.25"


def record_of(step: int, **measures: float | None) -> dict[str, Any]:
    return {
        "step": step,
        "train": {"loss": 1.0},
        "conditions": {"task": {"accuracy": 0.5} | measures},
    }


@pytest.mark.parametrize(
    "measures", [{}, {"representation_alignment": 0.875, "kernel_alignment": None}]
)
def test_ra_and_ka_are_explained_once_while_training_and_once_at_the_end(
    measures: dict[str, float | None], tmp_path: Path, capsys: pytest.CaptureFixture
):
    progress = Progress()
    directory = RunDirectory(tmp_path, parse_config({"task": {"kind": "two_alternative"}}))
    records = [record_of(step, **measures) for step in (0, 10)]
    for record in records:
        progress.evaluated(directory, record)
    err = capsys.readouterr().err.splitlines()
    assert err.count(ALIGNMENTS_NOTE) == bool(measures)
    assert len(err) == 2 + bool(measures)
    (tmp_path / "metrics.jsonl").write_text("".join(f"{json.dumps(r)}\n" for r in records))
    best = {"final": 0.5, "best": 0.75, "best_step": 10}
    progress.finished({"conditions": {"task": {"accuracy": best, "loss": best}}}, tmp_path)
    out = capsys.readouterr().out
    assert out.splitlines().count(ALIGNMENTS_NOTE) == bool(measures)
    (head,) = [line.split() for line in out.splitlines() if "condition" in line]
    (row,) = [line.split() for line in out.splitlines() if line.strip().startswith("task")]
    expected = ["0.875", "-"] if measures else []
    assert head[-2:] == (["RA", "KA"] if measures else ["best", "loss"])
    assert row == ["task", "0.500", "0.750", "@10", "0.500", *expected]
