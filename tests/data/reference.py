"""The distribution of sequences once more: plain NumPy, one item at a time, slow and evident.

The samplers of `icl.data` are held against this. It shares no code with them.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Setting(NamedTuple):
    """The knobs of the distribution as plain numbers, by the names they have in a config.

    holdout_pairs: pairs of labels, smaller first, that are never trained on together.
    meanings: of the training classes as they have drifted; None: as they were.
    """

    num_classes: int
    zipf_exponent: float = 0.0
    num_source_classes: int = 64
    num_common_classes: int = 2
    num_holdout_classes: int = 4
    label_multiplicity: int = 1
    num_exemplars: int = 20
    num_holdout_exemplars: int = 0
    num_meanings: int | None = None
    num_permuted_labels: int | None = None
    holdout_pairs: frozenset[tuple[int, int]] = frozenset()
    meanings: tuple[int, ...] | None = None
    p_relevant: float = 1.0
    p_matched_exemplar: float = 0.0
    p_copied_exemplar: float = 0.0
    label_noise: float = 0.0
    cue_reliability: float = 1.0

    @property
    def first_holdout_class(self) -> int:
        return self.num_source_classes - self.num_holdout_classes

    @property
    def num_trained_labels(self) -> int:
        return (self.num_meanings or self.num_classes) * self.label_multiplicity


class Drawn(NamedTuple):
    """One sequence; the last item is the query. family: its number in the mixture."""

    classes: list[int]
    exemplars: list[int]
    labels: list[int]
    synonyms: int
    family: int = 0


# ---- classes

ZIPFIAN = ("train", "common_zipfian", "rare_zipfian")  # pools; of the others each is uniform


@functools.cache
def class_probabilities(num_classes: int, zipf_exponent: float) -> np.ndarray:
    """Class 0 is the commonest: class j has weight (j + 1) ** -zipf_exponent."""
    weights = [float(j + 1) ** -zipf_exponent for j in range(num_classes)]
    probabilities = np.array(weights) / sum(weights)
    probabilities.flags.writeable = False
    return probabilities


def pool_range(setting: Setting, pool: str) -> tuple[int, int]:
    """The first class of a pool, and the first after it."""
    n, common = setting.num_classes, min(setting.num_common_classes, setting.num_classes)
    return {
        "train": (0, n),
        "uniform": (0, n),
        "common": (0, common),
        "common_zipfian": (0, common),
        "rare": (common, n),
        "rare_zipfian": (common, n),
        "holdout": (setting.first_holdout_class, setting.num_source_classes),
        "novel": (n, setting.first_holdout_class),
    }[pool]


def pool_probabilities(
    setting: Setting, pool: str, excluded: tuple[int, ...] = ()
) -> tuple[int, np.ndarray]:
    """(first class, probabilities from it on), given that the class is none of those excluded."""
    first, end = pool_range(setting, pool)
    if pool in ZIPFIAN:
        weights = class_probabilities(setting.num_classes, setting.zipf_exponent)[first:end].copy()
    else:
        weights = np.ones(end - first)
    for c in excluded:
        if first <= c < end:
            weights[c - first] = 0.0
    return first, weights / weights.sum()


@functools.cache
def cumulative(setting: Setting, pool: str) -> np.ndarray:
    return np.cumsum(pool_probabilities(setting, pool)[1])


def draw_class(rng: np.random.Generator, setting: Setting, pool: str, excluded: list[int]) -> int:
    """A class of the pool by its probability; once more, while it is one of those excluded."""
    first, end = pool_range(setting, pool)
    while True:
        if pool in ZIPFIAN:
            index = int(np.searchsorted(cumulative(setting, pool), rng.random(), side="right"))
            c = first + min(index, end - first - 1)
        else:
            c = int(rng.integers(first, end))
        if c not in excluded:
            return c


# ---- labels


def meaning(setting: Setting, c: int) -> int:
    """Meaning of a class: the last training class has 0; the held-out ones come after all."""
    if setting.meanings is not None and c < setting.num_classes:
        return setting.meanings[c]
    if setting.num_meanings is not None:
        return c % setting.num_meanings
    if c < setting.num_classes:
        return setting.num_classes - 1 - c
    return setting.num_classes + c - setting.first_holdout_class


def own_label(rng: np.random.Generator, setting: Setting, c: int) -> int:
    multiplicity = setting.label_multiplicity
    return meaning(setting, c) * multiplicity + int(rng.integers(multiplicity))


def labels_of(
    rng: np.random.Generator, setting: Setting, kind: str, classes: list[int], ways: int
) -> list[int]:
    """A label for each class of a sequence."""
    count = len(classes)
    if kind == "own":
        return [own_label(rng, setting, c) for c in classes]
    if kind == "flipped":
        labels = [own_label(rng, setting, c) for c in classes]
        return [labels[ways - 1], *labels[: ways - 1], *labels[ways:]]
    if kind == "assigned":
        return [int(label) for label in rng.permutation(count)]
    if kind in ("permuted", "holdout_pairs"):
        num_labels = setting.num_permuted_labels or setting.num_trained_labels
        while True:
            labels = [int(label) for label in rng.permutation(num_labels)[:count]]
            is_held_out = tuple(sorted(labels)) in setting.holdout_pairs
            if is_held_out == (kind == "holdout_pairs"):
                return labels
    others: list[int] = []
    for _ in classes:
        others.append(draw_class(rng, setting, kind, others))
    return [own_label(rng, setting, c) for c in others]


# ---- orders: (way, number of the item in its way) at each place of the context

Places = list[tuple[int, int]]


def shuffled(rng: np.random.Generator, pattern: tuple[int, ...]) -> Places:
    items = [(way, i) for way, count in enumerate(pattern) for i in range(count)]
    return [items[i] for i in rng.permutation(len(items))]


def grouped(rng: np.random.Generator, pattern: tuple[int, ...]) -> Places:
    """Round after round, in each of them every way that lasts; the others put in anywhere."""
    ways = ways_of(pattern)
    places: Places = []
    for i in range(max(pattern)):
        left = [(way, i) for way in range(ways) if pattern[way] > i]
        places += [left[k] for k in rng.permutation(len(left))]
    for way in range(ways, len(pattern)):
        places.insert(int(rng.integers(len(places) + 1)), (way, 0))
    return places


def blocked(rng: np.random.Generator, pattern: tuple[int, ...]) -> Places:
    return [(int(way), i) for way in rng.permutation(len(pattern)) for i in range(pattern[way])]


ORDERS = {"shuffled": shuffled, "grouped": grouped, "blocked": blocked}


def ways_of(pattern: tuple[int, ...]) -> int:
    """Classes up to the last that comes more than once, or one."""
    ways = len(pattern)
    while ways > 1 and pattern[ways - 1] == 1:
        ways -= 1
    return ways


# ---- families


def bursty(
    rng: np.random.Generator,
    setting: Setting,
    pattern: tuple[int, ...],
    classes: str = "train",
    others: str | None = None,
    labels: str = "own",
    order: str = "shuffled",
    distinct: bool = True,
    distinct_labels: bool = False,
    holdout_exemplars: bool = False,
    is_training: bool = False,
    num_ways: int | None = None,
) -> Drawn:
    """Class i comes pattern[i] times, a label for each; the first is asked, if any of them."""
    ways = num_ways or ways_of(pattern)
    is_relevant = not is_training or rng.random() < setting.p_relevant
    drawn: list[int] = []
    for i in range(len(pattern) + (not is_relevant)):
        is_further = i == len(pattern)
        pool = others if others is not None and not is_further and i >= ways else classes
        excluded = list(drawn) if distinct or is_further else []
        if distinct_labels and setting.num_meanings is not None:
            taken = {meaning(setting, c) for c in drawn}
            end = pool_range(setting, classes)[1]
            excluded += [c for c in range(end) if meaning(setting, c) in taken]
        drawn.append(draw_class(rng, setting, pool, excluded))
    named = labels_of(rng, setting, labels, drawn, ways)
    numbers = [
        exemplars_of_class(rng, setting, count, holdout_exemplars, way < ways, is_training)
        for way, count in enumerate(pattern)
    ]
    query = 0 if is_relevant else len(pattern)
    query_exemplar = numbers[0][-1]
    places = ORDERS[order](rng, pattern)
    return Drawn(
        [drawn[way] for way, _ in places] + [drawn[query]],
        [numbers[way][i] for way, i in places] + [query_exemplar],
        [named[way] for way, _ in places] + [named[query]],
        setting.label_multiplicity if labels in ("own", "flipped") else 1,
    )


def exemplars_of_class(
    rng: np.random.Generator,
    setting: Setting,
    count: int,
    holdout: bool,
    is_repeated: bool,
    is_training: bool,
) -> list[int]:
    """Exemplars of a class's context items, then of a query: all different until all are used."""
    first, size = exemplar_range(setting, holdout)
    drawn: list[int] = []
    for _ in range(count + 1):
        left = [e for e in range(first, first + size) if e not in drawn or not is_repeated]
        drawn.append(left[rng.integers(len(left))] if left else first + int(rng.integers(size)))
    if is_training and is_repeated:
        for i in range(1, count):
            if rng.random() < setting.p_copied_exemplar:
                drawn[i] = drawn[0]
        if rng.random() < setting.p_matched_exemplar:
            drawn[-1] = drawn[0]
    return drawn


def exemplar_range(setting: Setting, holdout: bool) -> tuple[int, int]:
    if holdout:
        return setting.num_exemplars, setting.num_holdout_exemplars
    return 0, setting.num_exemplars


def independent(
    rng: np.random.Generator,
    setting: Setting,
    context_len: int,
    classes: str = "train",
    support: str = "any",
    distinct: bool = False,
    copy_label: bool = False,
    holdout_exemplars: bool = False,
) -> Drawn:
    """Items one by one, the query first; exemplars of a class differ while there are others."""
    query = draw_class(rng, setting, classes, [])
    context: list[int] = []
    for _ in range(context_len):
        excluded = [query] if support == "never" else []
        context.append(draw_class(rng, setting, classes, excluded + (context if distinct else [])))
    if support == "always" and query not in context:
        query = context[rng.integers(context_len)]
    drawn = [*context, query]
    labels = [own_label(rng, setting, c) for c in drawn]
    if copy_label:
        labels[rng.integers(context_len)] = labels[-1]
    first, size = exemplar_range(setting, holdout_exemplars)
    exemplars: list[int] = []
    for i, c in enumerate(drawn):
        used = [exemplars[j] for j in range(i) if drawn[j] == c]
        left = [e for e in range(first, first + size) if e not in used]
        exemplars.append(int(rng.choice(left or np.arange(first, first + size))))
    return Drawn(drawn, exemplars, labels, setting.label_multiplicity)


Plain = Callable[[np.random.Generator, Setting], Drawn]


def mixture(
    rng: np.random.Generator, setting: Setting, families: list[Plain], weights: list[float]
) -> Drawn:
    """The training distribution: a family by its weight, then noise in labels and cues."""
    number = int(rng.choice(len(families), p=weights))
    drawn = families[number](rng, setting)
    labels = list(drawn.labels)
    for i in range(len(labels)):
        if rng.random() < setting.label_noise:
            labels[i] = int(rng.integers(setting.num_trained_labels))
        if i < len(labels) - 1 and rng.random() >= setting.cue_reliability:
            labels[i] = int(rng.integers(setting.num_trained_labels))
    return drawn._replace(labels=labels, family=number)


def times_redrawn(step: int, rate: int, phase: int) -> int:
    """How often a class's meaning was redrawn: floor(step * rate + phase), in units of 2**-32."""
    return (step * rate + phase) >> 32
