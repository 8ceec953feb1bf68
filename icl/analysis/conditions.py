"""The conditions of a dataset: which strategy each shows, by which metric, under which name."""

import json
from collections import Counter

import xarray

from icl.config.conditions import (
    STANDARD,
    STRATEGIES,
    Condition,
    Strategy,
    condition_of,
    first_of_each,
)


def condition_names(dataset: xarray.Dataset) -> list[str]:
    """The names of the conditions, in the order of the dataset."""
    names: list[str] = dataset.condition.values.tolist()
    return names


def conditions_of(dataset: xarray.Dataset) -> dict[str, Condition]:
    """The conditions by name, in the order of the dataset.

    Strategies are read from the coordinate `strategy`. Without it, the name of a condition
    determines its strategy, as in `icl.config.conditions`.
    """
    names = condition_names(dataset)
    if "strategy" not in dataset.coords:
        return {name: condition_of(name) for name in names}
    strategies = dataset.strategy.values.tolist()
    return {name: condition_of(name, of) for name, of in zip(names, strategies, strict=True)}


def first_conditions(dataset: xarray.Dataset) -> dict[Strategy, str]:
    """The first condition of each strategy that has one: ICL, then IWL."""
    return first_of_each({name: of.strategy for name, of in conditions_of(dataset).items()})


def main_conditions(dataset: xarray.Dataset) -> list[str]:
    """The first condition of ICL and the first of IWL; the first two where one is missing."""
    firsts = first_conditions(dataset)
    names = condition_names(dataset)
    return [*firsts.values()] if len(firsts) == len(STRATEGIES) else names[:2]


def standard_conditions(dataset: xarray.Dataset) -> list[str]:
    """The standard condition of each strategy where the dataset has both, else the main ones."""
    standard = [STANDARD[strategy] for strategy in STRATEGIES]
    names = condition_names(dataset)
    return standard if set(standard) <= set(names) else main_conditions(dataset)


def short_label(dataset: xarray.Dataset, name: str) -> str:
    """The strategy of a condition and its name, such as `IWL: no_support`."""
    strategy = conditions_of(dataset)[name].strategy
    return f"{strategy}: {name}" if strategy else name


def full_label(dataset: xarray.Dataset, name: str) -> str:
    """The label of a condition for a legend, or its strategy and name."""
    return conditions_of(dataset)[name].label or short_label(dataset, name)


def own_metric(dataset: xarray.Dataset, name: str) -> str:
    """The accuracy that shows the strategy of a condition.

    If the context never holds a right label, this is the accuracy over all labels.
    """
    metric = conditions_of(dataset)[name].metric
    if metric == "accuracy" or "accuracy_in_context_chance" not in dataset:
        return "accuracy"
    chance = dataset.accuracy_in_context_chance.sel(condition=name)
    return metric if bool((chance > 0).any()) else "accuracy"


def own_metrics(dataset: xarray.Dataset) -> set[str]:
    """The metrics that `own_metric` chooses for the conditions of a dataset."""
    return {own_metric(dataset, name) for name in conditions_of(dataset)}


def first_metric(dataset: xarray.Dataset) -> str:
    """The metric that a report shows first.

    It is `own`, each condition's own, if these differ; else the one that most claims are about.
    """
    own = own_metrics(dataset)
    if len(own) > 1:
        return "own"
    claimed = [claim["metric"] for claim in json.loads(dataset.attrs.get("claims") or "[]")]
    counts = Counter(metric for metric in claimed if metric in dataset)
    return counts.most_common(1)[0][0] if counts else own.pop()
