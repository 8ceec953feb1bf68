"""The strategy, metric, label and colour of every condition that has a name."""

import pytest

from icl.config import ExperimentConfig
from icl.config.conditions import (
    CONDITIONS,
    EITHER,
    STANDARD,
    condition_of,
    first_of_each,
    strategies_of,
    strategy_of_family,
)
from icl.config.evaluation import EvaluationConfig
from icl.config.families import (
    NAMED,
    BurstyFamily,
    Family,
    FewShotFamily,
    IndependentFamily,
    MarkovFamily,
)

# As names alone gave it in release 0.1.0.
STRATEGIES = {
    "ICL": {
        "bursty_novel",
        "fewshot_holdout",
        "fewshot_train",
        "fewshot_common",
        "fewshot_rare",
        "fewshot_novel",
        "fewshot_holdout_exemplars",
        "fewshot_uniform_labels",
        "fewshot_frequent_labels",
        "fewshot_common_labels",
        "fewshot_rare_labels",
        "fewshot_unused_labels",
        "fewshot_permuted",
        "fewshot_holdout_pairs",
        "markov_novel",
    },
    "IWL": {
        "no_support",
        "no_support_uniform",
        "no_support_common",
        "no_support_rare",
        "no_support_distinct",
        "no_support_holdout_exemplars",
    },
    "": {
        "train",
        "task",
        "bursty",
        "bursty_rare",
        "bursty_common",
        "bursty_permuted",
        "independent",
        "common_uniform",
        "common_no_support",
        "supported",
        "markov",
        "flip",
        "copy_available",
    },
}
COLORS = {"fewshot_holdout": "#0072B2", "fewshot_train": "#56B4E9", "no_support": "#D55E00"}
LABELS = {
    "fewshot_holdout": "ICL: few-shot, held-out classes, among labels in context",
    "fewshot_train": "ICL: few-shot, training classes, among labels in context",
    "fewshot_uniform_labels": "ICL: few-shot, held-out classes, random trained labels in context",
    "no_support": "IWL: query's class absent from context, all labels",
    "no_support_common": "IWL: no support, common classes",
}


def test_every_condition_is_in_the_table_with_the_strategy_of_release_0_1():
    assert list(CONDITIONS) == ["train", "task", *NAMED]
    for strategy, names in STRATEGIES.items():
        assert {name for name, of in CONDITIONS.items() if of.strategy == strategy} == names


def test_metric_label_and_colour_of_every_condition():
    for name, condition in CONDITIONS.items():
        is_over_all = condition.strategy == "IWL" or name == "task"
        assert condition.metric == ("accuracy" if is_over_all else "accuracy_in_context")
        assert condition.label == LABELS.get(name, "")
        assert condition.color == COLORS.get(name, "")


@pytest.mark.parametrize("name", sorted(set(NAMED) - {"common_no_support"}))
def test_the_table_agrees_with_the_settings_of_families(name: str):
    assert CONDITIONS[name].strategy == strategy_of_family(NAMED[name])


@pytest.mark.parametrize(
    ("family", "strategy"),
    [
        (FewShotFamily(labels="own"), ""),
        (FewShotFamily(labels="own", classes="holdout"), "ICL"),
        (FewShotFamily(labels="permuted"), "ICL"),
        (BurstyFamily(classes="holdout"), "ICL"),
        (BurstyFamily(classes="train", others="novel"), ""),
        (IndependentFamily(classes="novel"), "ICL"),
        (IndependentFamily(classes="novel", support="never"), ""),  # nothing can solve it
        (IndependentFamily(classes="rare", support="never", distinct=True), "IWL"),
        (IndependentFamily(support="never", copy_label=True), ""),
        (MarkovFamily(), ""),
    ],
)
def test_the_strategy_of_a_family_follows_from_its_settings(family: Family, strategy: str):
    assert strategy_of_family(family) == strategy


def test_a_name_alone_gives_a_family_of_ones_own_no_strategy():
    own: dict[str, Family] = {
        "no_support_mine": IndependentFamily(),
        "fewshot_mine": FewShotFamily(labels="own"),
        "mine": IndependentFamily(support="never"),
    }
    config = ExperimentConfig().model_copy(
        update={
            "data": ExperimentConfig().data.model_copy(update={"families": own}),
            "evaluation": EvaluationConfig(conditions=("flip", *own, "no_support")),
        }
    )
    strategies = strategies_of(config)
    assert list(strategies.values()) == ["", "", "", "IWL", "IWL"]
    assert first_of_each(strategies) == {"IWL": "mine"}


def test_records_decide_on_the_strategy_and_names_only_where_they_agree():
    assert condition_of("no_support") == CONDITIONS["no_support"]
    assert condition_of("no_support", "IWL") == CONDITIONS["no_support"]
    assert condition_of("no_support_mine") == condition_of("no_support_mine", "") == EITHER
    assert condition_of("mine", "IWL").metric == "accuracy"
    assert condition_of("no_support", "ICL").label == ""


def test_the_standard_condition_of_a_strategy_shows_it():
    for strategy, name in STANDARD.items():
        assert CONDITIONS[name].strategy == strategy
