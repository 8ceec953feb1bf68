"""The ideal combination: of what the context tells and of what is known by heart, the better.

It knows the distribution. Sequences are of four cells: the query's class is in the context or is
not, and is known by heart or is not. In each cell it answers by the rule that is right more often
there. Of a mixture it does not know which family a sequence is of: it chooses once for all.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool

from icl.description.ceilings import Ceiling, Marks
from icl.types import IndexSequence


class Answer(NamedTuple):
    """value: how often right, times the weight of the part; None: not known.

    is_best: nothing else can be right more often there.
    """

    value: float | None
    is_best: bool = False


class Part(NamedTuple):
    """Some sequences of one cell.

    is_known: None: some are of known classes and some not.
    copied, known: from the context, and by heart.
    """

    is_present: bool
    is_known: bool | None
    copied: Answer
    known: Answer


def combined(
    indices: IndexSequence, copied: Ceiling, known: Ceiling, is_known: Bool[np.ndarray, " sequence"]
) -> Ceiling:
    """Marks of the combination, from those of the two learners."""
    is_there = np.asarray(indices.classes[:, :-1] == indices.classes[:, -1:]).any(axis=1)
    cell = 2 * is_there + is_known
    return Ceiling(*(_better(cell, *pair) for pair in zip(copied, known, strict=True)))


def _better(cell: np.ndarray, copied: Marks, known: Marks) -> Marks:
    gain = np.bincount(cell, known - copied, minlength=4)
    return np.where(gain[cell] > 0, known, copied)


def exact_combined(parts: list[tuple[float, list[Part] | None]]) -> float | None:
    """What the combination scores, if that is known: on a mixture of families with weights."""
    total = sum(weight for weight, _ in parts)
    cells: dict[Any, list[tuple[float, Part]]] = {}
    for weight, of_family in parts:
        if weight == 0:
            continue
        if of_family is None:
            return None
        for part in of_family:
            cells.setdefault((part.is_present, part.is_known), []).append((weight / total, part))
    if any(_is_open(cells, is_present) for is_present in (False, True)):
        return None
    values = [_exact_better(cell) for cell in cells.values()]
    return None if None in values else sum(value for value in values if value is not None)


def _is_open(cells: dict[Any, list[tuple[float, Part]]], is_present: bool) -> bool:
    """Some may be of either cell: no matter only where copying is best in both."""
    found = [part for (there, _), cell in cells.items() if there == is_present for _, part in cell]
    is_either = any(part.is_known is None for part in found)
    return is_either and not all(part.copied.is_best for part in found)


def _exact_better(cell: list[tuple[float, Part]]) -> float | None:
    copied = _summed([(weight, part.copied) for weight, part in cell])
    known = _summed([(weight, part.known) for weight, part in cell])
    if copied.is_best:
        return copied.value
    if known.is_best:
        return known.value
    if copied.value is None or known.value is None:
        return None
    return max(copied.value, known.value)


def _summed(answers: list[tuple[float, Answer]]) -> Answer:
    if any(answer.value is None for _, answer in answers):
        return Answer(None)
    value = sum(weight * (answer.value or 0.0) for weight, answer in answers)
    return Answer(value, all(answer.is_best for _, answer in answers))
