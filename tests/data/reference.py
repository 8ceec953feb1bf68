"""The distribution of sequences once more: plain NumPy, one item at a time, slow and evident.

The samplers of `icl.data` are held against this. It shares no code with them.
"""

from typing import NamedTuple

import numpy as np


class Setting(NamedTuple):
    """The knobs of the distribution, as plain numbers."""

    num_classes: int
    zipf_exponent: float = 0.0
    label_multiplicity: int = 1
    num_exemplars: int = 20


class Drawn(NamedTuple):
    """One sequence; the last item is the query."""

    classes: list[int]
    exemplars: list[int]
    labels: list[int]
    is_bursty: bool


class Item(NamedTuple):
    """way: which of the repeated classes of a sequence it belongs to, if any."""

    class_index: int
    label: int
    way: int | None = None


def class_probabilities(num_classes: int, zipf_exponent: float) -> np.ndarray:
    """Class 0 is the rarest: class j has weight (num_classes - j) ** -zipf_exponent."""
    weights = [float(num_classes - j) ** -zipf_exponent for j in range(num_classes)]
    return np.array(weights) / sum(weights)


def draw_class(rng: np.random.Generator, setting: Setting, excluded: list[int]) -> int:
    """A class by its probability, given that it is none of those excluded."""
    probabilities = class_probabilities(setting.num_classes, setting.zipf_exponent)
    for c in excluded:
        probabilities[c] = 0.0
    return int(rng.choice(setting.num_classes, p=probabilities / probabilities.sum()))


def draw_label(rng: np.random.Generator, setting: Setting, c: int) -> int:
    """One of the class's own labels."""
    return c * setting.label_multiplicity + int(rng.integers(setting.label_multiplicity))


def finish(rng: np.random.Generator, setting: Setting, items: list[Item], is_bursty: bool) -> Drawn:
    """Give each item an exemplar: those of a way all differ, until all of them are used."""
    exemplars: list[int] = []
    for i, item in enumerate(items):
        used = [e for e, other in zip(exemplars, items[:i], strict=True) if other.way == item.way]
        if item.way is None or len(used) >= setting.num_exemplars:
            used = []
        left = [e for e in range(setting.num_exemplars) if e not in used]
        exemplars.append(int(rng.choice(left)))
    return Drawn([i.class_index for i in items], exemplars, [i.label for i in items], is_bursty)


def shuffled(rng: np.random.Generator, items: list[Item]) -> list[Item]:
    return [items[i] for i in rng.permutation(len(items))]


def bursty(
    rng: np.random.Generator,
    setting: Setting,
    context_len: int,
    shots: int,
    ways: int,
    distinct: bool = True,
) -> Drawn:
    """`ways` classes `shots` times each, others once, a label for each; the first is asked."""
    others = context_len - shots * ways
    drawn: list[Item] = []
    for i in range(ways + others):
        c = draw_class(rng, setting, [item.class_index for item in drawn] if distinct else [])
        drawn.append(Item(c, draw_label(rng, setting, c), i if i < ways else None))
    context = []
    for i, item in enumerate(drawn):
        context += [item] * (shots if i < ways else 1)
    return finish(rng, setting, [*shuffled(rng, context), drawn[0]], True)


def independent(rng: np.random.Generator, setting: Setting, context_len: int) -> Drawn:
    """All items alike and unrelated; each item has a label of its own."""
    items = []
    for _ in range(context_len + 1):
        c = draw_class(rng, setting, [])
        items.append(Item(c, draw_label(rng, setting, c)))
    return finish(rng, setting, items, False)


def no_support(rng: np.random.Generator, setting: Setting, context_len: int) -> Drawn:
    """A query, then a context that may hold any class but the query's."""
    query = draw_class(rng, setting, [])
    items = []
    for _ in range(context_len):
        c = draw_class(rng, setting, [query])
        items.append(Item(c, draw_label(rng, setting, c)))
    return finish(rng, setting, [*items, Item(query, draw_label(rng, setting, query))], False)


def few_shot(
    rng: np.random.Generator,
    setting: Setting,
    shots: int,
    ways: int,
    holdout: tuple[int, int] | None = None,
) -> Drawn:
    """`shots` of each of `ways` different classes, labelled by lot; the first is asked."""
    classes: list[int] = []
    if holdout is None:
        for _ in range(ways):
            classes.append(draw_class(rng, setting, classes))
    else:
        pool = list(range(holdout[0], holdout[0] + holdout[1]))
        for _ in range(ways):
            classes.append(pool.pop(rng.integers(len(pool))))
    labels = [int(label) for label in rng.permutation(ways)]
    pairs = [Item(classes[way], labels[way], way) for way in range(ways)]
    return finish(rng, setting, [*shuffled(rng, pairs * shots), pairs[0]], True)


def mixture(
    rng: np.random.Generator,
    setting: Setting,
    p_bursty: float,
    context_len: int,
    shots: int,
    ways: int,
) -> Drawn:
    """The training distribution."""
    if rng.random() < p_bursty:
        return bursty(rng, setting, context_len, shots, ways)
    return independent(rng, setting, context_len)
