"""The best combination of copying from the context and knowing labels by heart.

It knows the distribution and puts each sequence into one of four cells: the query's class is in
the context or not, and is known by heart or not. In each cell it answers by the rule that is right
more often there. In a mixture it does not know the family of a sequence, so one choice serves all.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool

from icl.description.ceilings import Ceiling, Marks
from icl.types import IndexSequence


class RuleScore(NamedTuple):
    """Accuracy of a rule on a group of sequences.

    value: the accuracy times the share of the group; None: not known.
    is_best: no answer is right more often on this group.
    """

    value: float | None
    is_best: bool = False


class SequenceGroup(NamedTuple):
    """Some sequences of a family, all in one cell unless `is_known` is None.

    is_present: the query's class is in the context.
    is_known: its label is known by heart; None: for some of the group.
    from_context, from_weights: the scores of copying and of knowing by heart.
    """

    is_present: bool
    is_known: bool | None
    from_context: RuleScore
    from_weights: RuleScore


WeightedGroups = list[tuple[float, SequenceGroup]]


def combined(
    indices: IndexSequence, copied: Ceiling, known: Ceiling, is_known: Bool[np.ndarray, " sequence"]
) -> Ceiling:
    """Marks of the combination on a sample, from the marks of both rules."""
    is_there = np.asarray(indices.classes[:, :-1] == indices.classes[:, -1:]).any(axis=1)
    cell = 2 * is_there + is_known
    return Ceiling(*(_better(cell, *pair) for pair in zip(copied, known, strict=True)))


def _better(cell: np.ndarray, copied: Marks, known: Marks) -> Marks:
    gain = np.bincount(cell, known - copied, minlength=4)
    return np.where(gain[cell] > 0, known, copied)


def exact_combined(families: list[tuple[float, list[SequenceGroup] | None]]) -> float | None:
    """The exact score of the combination on a mixture of families with weights; None: not known.

    families: the weight of each, and its groups, or None where these are not known.
    """
    total = sum(weight for weight, _ in families)
    cells: dict[Any, WeightedGroups] = {}
    for weight, groups in families:
        if weight == 0:
            continue
        if groups is None:
            return None
        for group in groups:
            cell = cells.setdefault((group.is_present, group.is_known), [])
            cell.append((weight / total, group))
    if any(_is_undecided(cells, is_present) for is_present in (False, True)):
        return None
    values = [_exact_better(cell) for cell in cells.values()]
    return None if None in values else sum(value for value in values if value is not None)


def _is_undecided(cells: dict[Any, WeightedGroups], is_present: bool) -> bool:
    """Whether a group may belong to either cell, and copying is not best in both."""
    found = [
        group for (there, _), cell in cells.items() if there == is_present for _, group in cell
    ]
    is_either = any(group.is_known is None for group in found)
    return is_either and not all(group.from_context.is_best for group in found)


def _exact_better(cell: WeightedGroups) -> float | None:
    """The score of the better rule in a cell; None where it is not known."""
    from_context = _summed([(weight, group.from_context) for weight, group in cell])
    from_weights = _summed([(weight, group.from_weights) for weight, group in cell])
    if from_context.is_best:
        return from_context.value
    if from_weights.is_best:
        return from_weights.value
    if from_context.value is None or from_weights.value is None:
        return None
    return max(from_context.value, from_weights.value)


def _summed(scores: list[tuple[float, RuleScore]]) -> RuleScore:
    """The score of a rule on several groups with weights."""
    if any(score.value is None for _, score in scores):
        return RuleScore(None)
    value = sum(weight * (score.value or 0.0) for weight, score in scores)
    return RuleScore(value, all(score.is_best for _, score in scores))
