"""Conditions of evaluation: each shows in-context (ICL) or in-weights learning (IWL), or neither.

The families of sequences that conditions draw from are in `icl.config.families`. The strategy of
a user's own family is derived from its settings by `strategy_of_family`.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from icl.config.experiment import AnyConfig
from icl.config.families import (
    AnyFamily,
    FewShotFamily,
    IndependentFamily,
    MarkovFamily,
    OwnFamily,
)

Strategy = Literal["ICL", "IWL", ""]
Accuracy = Literal["accuracy", "accuracy_in_context"]
STRATEGIES: tuple[Strategy, ...] = ("ICL", "IWL")


class Condition(NamedTuple):
    """Strategy, metric, label and colour of a condition.

    strategy: the only one that can solve it; empty: either can, or none.
    metric: the accuracy that shows it, over all labels or among those in the context.
    label: for legends; empty: the name of the condition.
    color: in all figures; empty: one that is free.
    """

    strategy: Strategy = ""
    metric: Accuracy = "accuracy_in_context"
    label: str = ""
    color: str = ""


ICL, IWL, EITHER = Condition("ICL"), Condition("IWL", "accuracy"), Condition()
BY_STRATEGY: dict[Strategy, Condition] = {"ICL": ICL, "IWL": IWL, "": EITHER}

# Colours that readers with any colour vision can tell apart (Okabe and Ito 2008).
CONDITIONS: dict[str, Condition] = {
    "train": EITHER,
    "task": Condition(metric="accuracy"),
    # Trained on.
    "bursty": EITHER,
    "bursty_rare": EITHER,
    "bursty_common": EITHER,
    "bursty_permuted": EITHER,
    "bursty_novel": ICL,
    "independent": EITHER,
    "common_uniform": EITHER,
    # Part of a training mixture. Its settings are those of `no_support_common`, an IWL condition;
    # release 0.1.0 gave it no strategy, and figures of runs tested in it stay as they are.
    "common_no_support": EITHER,
    "supported": EITHER,
    "markov": EITHER,
    # In context?
    "fewshot_holdout": ICL._replace(
        label="ICL: few-shot, held-out classes, among labels in context", color="#0072B2"
    ),
    "fewshot_train": ICL._replace(
        label="ICL: few-shot, training classes, among labels in context", color="#56B4E9"
    ),
    "fewshot_common": ICL,
    "fewshot_rare": ICL,
    "fewshot_novel": ICL,
    "fewshot_holdout_exemplars": ICL,
    "fewshot_uniform_labels": ICL._replace(
        label="ICL: few-shot, held-out classes, random trained labels in context"
    ),
    "fewshot_frequent_labels": ICL,
    "fewshot_common_labels": ICL,
    "fewshot_rare_labels": ICL,
    "fewshot_unused_labels": ICL,
    "fewshot_permuted": ICL,
    "fewshot_holdout_pairs": ICL,
    "markov_novel": ICL,
    # In weights?
    "no_support": IWL._replace(
        label="IWL: query's class absent from context, all labels", color="#D55E00"
    ),
    "no_support_uniform": IWL,
    "no_support_common": IWL._replace(label="IWL: no support, common classes"),
    "no_support_rare": IWL,
    "no_support_distinct": IWL,
    "no_support_holdout_exemplars": IWL,
    # Which of the two?
    "flip": EITHER,
    "copy_available": EITHER,
}
# The condition of each strategy that is shown first.
STANDARD: dict[Strategy, str] = {"ICL": "fewshot_holdout", "IWL": "no_support"}

UNSEEN = ("holdout", "novel")  # pools of classes that training never shows


def strategy_of_family(family: AnyFamily) -> Strategy:
    """The only strategy that can solve sequences of a family; empty: either can, or none.

    ICL: the labels of few-shot sequences are not the classes' own, or training never shows the
    classes or chains. IWL: the context holds neither the query's class nor its label. A registered
    family gives its own `strategy`.
    """
    if isinstance(family, MarkovFamily):
        return "ICL" if family.chains == "novel" else ""
    if isinstance(family, OwnFamily):
        return family.strategy
    is_unseen = family.classes in UNSEEN
    if isinstance(family, IndependentFamily) and family.support == "never":
        return "" if is_unseen or family.copy_label else "IWL"
    if isinstance(family, FewShotFamily) and family.labels not in ("own", "flipped"):
        return "ICL"
    return "ICL" if is_unseen else ""


def strategies_of(config: AnyConfig) -> dict[str, Strategy]:
    """The strategy of each condition of a run's config, by name."""
    own = config.own_families
    return {
        name: strategy_of_family(own[name]) if name in own else condition_of(name).strategy
        for name in config.evaluation.conditions
    }


def condition_of(name: str, strategy: Strategy | None = None) -> Condition:
    """A condition by its name, or by the strategy that the records of a run give it.

    strategy: as recorded; None: that of the name in the table, or empty if it is not there.
    """
    known = CONDITIONS.get(name, EITHER)
    return known if strategy is None or strategy == known.strategy else BY_STRATEGY[strategy]


def first_of_each(strategies: Mapping[str, Strategy]) -> dict[Strategy, str]:
    """The first condition of each strategy that has one: ICL, then IWL.

    strategies: of conditions by name, in their order.
    """
    firsts = {strategy: name for name, strategy in reversed([*strategies.items()])}
    return {strategy: firsts[strategy] for strategy in STRATEGIES if strategy in firsts}
