"""Which strategy, metric, label and colour each condition of a dataset has."""

import numpy as np
import pytest
import xarray

from icl.analysis.conditions import (
    conditions_of,
    first_conditions,
    first_metric,
    full_label,
    main_conditions,
    own_metric,
    short_label,
    standard_conditions,
)
from icl.analysis.figures.style import colors_of
from icl.config.conditions import CONDITIONS
from icl.config.families import NAMED

from .synthetic import CONDITIONS as OF_SWEEP
from .synthetic import make_sweep

NAMES = ["train", "task", *NAMED]


def with_conditions(*names: str, chance: float = 0.5) -> xarray.Dataset:
    """Records of conditions, as far as their metrics need them."""
    values = np.full((len(names), 2), chance)
    return xarray.Dataset(
        {"accuracy_in_context_chance": (("condition", "step"), values)},
        coords={"condition": [*names], "step": [1, 2]},
    )


@pytest.mark.parametrize(
    ("names", "main"),
    [
        (NAMES, ["bursty_novel", "no_support"]),
        (NAMES[::-1], ["markov_novel", "no_support_holdout_exemplars"]),
        (["flip", "copy_available", "train"], ["flip", "copy_available"]),
        (
            ["fewshot_train", "fewshot_holdout", "no_support_common", "no_support"],
            ["fewshot_train", "no_support_common"],
        ),
        (["common_no_support", "bursty_novel"], ["common_no_support", "bursty_novel"]),
        (
            ["common_no_support", "bursty_novel", "no_support_rare"],
            ["bursty_novel", "no_support_rare"],
        ),
        (["task"], ["task"]),
        (["flip", "mine", "other"], ["flip", "mine"]),
    ],
)
def test_the_main_conditions_are_those_of_release_0_1(names: list[str], main: list[str]):
    assert main_conditions(with_conditions(*names)) == main


def test_own_metrics_are_those_of_release_0_1():
    names = [*NAMES, "mine"]
    dataset = with_conditions(*names)
    is_iwl = {name: name.startswith("no_support") for name in names}
    for name in names:
        expected = "accuracy" if is_iwl[name] or name == "task" else "accuracy_in_context"
        assert own_metric(dataset, name) == expected
        assert own_metric(with_conditions(*names, chance=0.0), name) == "accuracy"
    assert own_metric(dataset.drop_vars("accuracy_in_context_chance"), "flip") == "accuracy"


def test_colours_and_labels_are_those_of_release_0_1():
    names = ["train", "fewshot_holdout", "flip", "no_support", "mine", "fewshot_train"]
    assert list(colors_of(names).values()) == [
        "#009E73", "#0072B2", "#CC79A7", "#D55E00", "#E69F00", "#56B4E9",
    ]  # fmt: skip
    dataset = with_conditions(*names, "fewshot_novel")
    assert [short_label(dataset, name) for name in names] == [
        "train",
        "ICL: fewshot_holdout",
        "flip",
        "IWL: no_support",
        "mine",
        "ICL: fewshot_train",
    ]
    assert full_label(dataset, "no_support") == "IWL: query's class absent from context, all labels"
    assert full_label(dataset, "fewshot_novel") == "ICL: fewshot_novel"


def test_records_decide_on_the_strategy_of_a_condition():
    sweep = make_sweep({})
    assert conditions_of(sweep) == {name: CONDITIONS[name] for name in OF_SWEEP}
    own = sweep.assign_coords(
        condition=["no_support_mine", "mine", "third"], strategy=("condition", ["ICL", "IWL", ""])
    )
    assert first_conditions(own) == {"ICL": "no_support_mine", "IWL": "mine"}
    assert main_conditions(own) == ["no_support_mine", "mine"]
    assert own_metric(own, "no_support_mine") == "accuracy_in_context"
    assert own_metric(own, "mine") == "accuracy"
    assert short_label(own, "mine") == "IWL: mine"


def test_the_standard_conditions_come_before_others():
    assert standard_conditions(
        with_conditions("fewshot_train", "no_support", "fewshot_holdout")
    ) == [
        "fewshot_holdout",
        "no_support",
    ]
    assert standard_conditions(with_conditions("fewshot_train", "no_support")) == [
        "fewshot_train",
        "no_support",
    ]


def test_what_most_claims_are_about_is_shown_first_where_conditions_have_one_metric():
    claims = [{"metric": name} for name in ("accuracy", "loss", "loss", "kernel_alignment")]
    one = make_sweep({"k": [1, 2]}, claims=claims).sel(condition=["no_support"])
    assert first_metric(one) == "loss"
    assert first_metric(one.assign_attrs(claims="[]")) == "accuracy"
    assert first_metric(make_sweep({"k": [1, 2]}, claims=claims)) == "own"
