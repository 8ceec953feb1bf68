"""The distribution of the query's label given its class, and its entropy.

It is a weighted sum of uniform distributions over ranges of labels: the class's own, those that are
permuted, the first few, or, by noise, all trained ones.
"""

import itertools
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from icl.config import DataConfig
from icl.config.sources import MarkovSource
from icl.data.families.base import Family
from icl.data.families.bursty import Bursty
from icl.data.families.independent import Independent
from icl.data.frequencies import is_uniform
from icl.description.closed_forms import ClassPool, Pools, query_pool


class LabelRange(NamedTuple):
    """Equally probable labels first .. stop - 1; if `is_own`, counted from a class's first own."""

    first: int
    stop: int
    is_own: bool = False


class Component(NamedTuple):
    """A family of a mixture, with its weight.

    pool: distribution of the query's class; None: not known.
    is_endless: its classes have no end, so that no other family has them.
    """

    weight: float
    labels: LabelRange
    pool: ClassPool | None
    is_endless: bool


def range_of(family: Family, data: DataConfig) -> LabelRange | None:
    """The labels of a training query before noise; None if they do not form a `LabelRange`."""
    multiplicity = data.label_multiplicity
    if isinstance(data.source, MarkovSource) or not isinstance(family, Bursty | Independent):
        return None
    labels = family.labels if isinstance(family, Bursty) else "own"
    if labels == "own":
        return LabelRange(0, multiplicity, is_own=True)
    assert isinstance(family, Bursty)
    if labels == "assigned":  # an irrelevant query is of a further class
        return LabelRange(0, len(family.pattern) + (data.p_relevant < 1))
    if labels == "permuted" and not data.num_holdout_pairs:
        return LabelRange(0, data.num_permuted_labels or data.num_trained_labels)
    if data.num_meanings is not None:
        return None
    n, common = data.num_classes, min(data.num_common_classes, data.num_classes)
    ranges = {
        "uniform": (0, n),
        "common": (n - common, n),
        "rare": (0, n - common),
    }
    if labels == "train" and data.num_blocks == 1 and is_uniform(data):
        labels = "uniform"
    if labels not in ranges:
        return None
    first, stop = ranges[labels]
    return LabelRange(first * multiplicity, stop * multiplicity)


def shift_of(families: dict[str, Family], data: DataConfig) -> str | None:
    """The shift of a class's labels that gives all classes the same distribution.

    `own`: by the first of its own labels, modulo the number of trained labels. `symbol`: by its
    number, for chains that no other sequence has, which treat all symbols alike. `none`: no shift
    is needed. None: no shift will do, and each class has a distribution of its own.
    """
    if isinstance(data.source, MarkovSource):
        return "symbol" if data.source.num_chains is None else None
    ranges = {range_of(family, data) for family in families.values()}
    trained = LabelRange(0, data.num_trained_labels)
    if all(labels is not None and (labels.is_own or labels == trained) for labels in ranges):
        return "own"
    return "none" if len(ranges) == 1 and None not in ranges else None


def component(family: Family, data: DataConfig, pools: Pools, weight: float) -> Component | None:
    """A family as a component; None if this file has no formula for its labels."""
    labels = range_of(family, data)
    if labels is None:
        return None
    assert isinstance(family, Bursty | Independent)
    pool = query_pool(family, data, pools)
    return Component(weight, labels, pool, family.classes == "novel")


def label_entropy_bits(components: list[Component | None], data: DataConfig) -> float | None:
    """Entropy in bits of the query's label given its class, in a mixture; None: not known."""
    known = [part for part in components if part is not None]
    if len(known) < len(components):
        return None
    total = sum(part.weight for part in known)
    endless = [part for part in known if part.is_endless]
    others = [part for part in known if not part.is_endless]
    bits = 0.0
    if endless:
        # All classes have trained labels as their own, so one class stands for all.
        weights = np.array([[part.weight] for part in endless])
        ranges = [part.labels for part in endless]
        bits += (
            weights.sum() / total * float(_entropies(weights, ranges, np.zeros(1, int), data)[0])
        )
    if not others:
        return bits
    weights = np.zeros((len(others), data.num_classes))
    for row, part in zip(weights, others, strict=True):
        if part.pool is not None:
            row[part.pool.first : part.pool.first + len(part.pool.probs)] = part.pool.probs
        elif len({other.labels for other in others}) == 1:
            row[:] = 1 / data.num_classes  # any will do: all classes have the same entropy
        else:
            return None
        row *= part.weight / total
    of_class = weights.sum(axis=0)
    asked = np.flatnonzero(of_class)
    ranges = [part.labels for part in others]
    entropies = _entropies(weights[:, asked], ranges, _first_labels(asked, data), data)
    return bits + float(of_class[asked] @ entropies)


def _first_labels(classes: Int[np.ndarray, " class"], data: DataConfig) -> np.ndarray:
    """The first own label of each class, before any drift."""
    meanings = data.num_classes - 1 - classes
    if data.num_meanings:
        meanings = classes % data.num_meanings
    return meanings * data.label_multiplicity


def _entropies(
    weights: Float[np.ndarray, "range class"],
    ranges: list[LabelRange],
    first_labels: Int[np.ndarray, " class"],
    data: DataConfig,
) -> Float[np.ndarray, " class"]:
    """The entropy of each class's label, in bits.

    Between the ends of ranges all labels are equally probable, except the class's own.
    """
    shares = weights / weights.sum(axis=0) * (1 - data.label_noise)
    multiplicity = data.label_multiplicity
    noise = LabelRange(0, data.num_trained_labels)
    own = sum((s for s, labels in zip(shares, ranges, strict=True) if labels.is_own), np.zeros(1))
    given = [(s, labels) for s, labels in zip(shares, ranges, strict=True) if not labels.is_own]
    given.append((np.full(weights.shape[1], data.label_noise), noise))
    end = data.num_trained_labels
    cuts = np.unique([0, end, *(cut for _, labels in given for cut in (labels.first, labels.stop))])
    entropies = np.zeros(weights.shape[1])
    for low, high in itertools.pairwise(cuts):
        level = sum(
            share / (labels.stop - labels.first) * (labels.first <= low and high <= labels.stop)
            for share, labels in given
        )
        stop = np.minimum(first_labels + multiplicity, high)
        inside = np.maximum(stop - np.maximum(first_labels, low), 0)
        entropies += (high - low - inside) * _surprise(level)
        entropies += inside * _surprise(level + own / multiplicity)
    return entropies


def _surprise(probs: Float[np.ndarray, " class"]) -> Float[np.ndarray, " class"]:
    """- p log2 p, 0 at 0."""
    return -probs * np.log2(np.where(probs > 0, probs, 1.0))
