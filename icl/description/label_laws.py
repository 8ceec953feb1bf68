"""What the query is called, given its class: a weighted sum of uniform laws, and its entropy.

Each law is uniform over a run of labels: the class's own, those that are permuted, the first few,
or, by noise, all trained ones.
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
from icl.description.closed_forms import Pool, Pools, query_pool


class LabelRange(NamedTuple):
    """Labels first .. stop - 1, all alike; of `own` labels of a class, 0 .. K - 1 of its own."""

    first: int
    stop: int
    is_own: bool = False


class Component(NamedTuple):
    """A family of a mixture, with its weight.

    pool: of the query's class; None: not known.
    is_endless: whether its classes are without end, so that none is any other family's.
    """

    weight: float
    run: LabelRange
    pool: Pool | None
    is_endless: bool


def run_of(family: Family, data: DataConfig) -> LabelRange | None:
    """What the query of a training sequence is called, before noise; None where not told here."""
    multiplicity = data.label_multiplicity
    if isinstance(data.source, MarkovSource) or not isinstance(family, Bursty | Independent):
        return None
    labels = family.labels if isinstance(family, Bursty) else "own"
    if labels == "own":
        return LabelRange(0, multiplicity, is_own=True)
    assert isinstance(family, Bursty)
    if labels == "assigned":  # a further class, of which an irrelevant query is, has one too
        return LabelRange(0, len(family.pattern) + (data.p_relevant < 1))
    if labels == "permuted" and not data.num_holdout_pairs:
        return LabelRange(0, data.num_permuted_labels or data.num_trained_labels)
    if data.num_meanings is not None:
        return None
    n, common = data.num_classes, min(data.num_common_classes, data.num_classes)
    runs = {
        "uniform": (0, n),
        "common": (n - common, n),
        "rare": (0, n - common),
    }
    if labels == "train" and data.zipf_exponent == 0 and data.num_blocks == 1:
        labels = "uniform"
    if labels not in runs:
        return None
    first, stop = runs[labels]
    return LabelRange(first * multiplicity, stop * multiplicity)


def shift_of(families: dict[str, Family], data: DataConfig) -> str | None:
    """By what to shift a class's labels so that all classes are called alike.

    `own`: by the first of its own, modulo the number of trained labels; `symbol`: by its number,
    as symbols are all alike to chains that no other sequence has; `none`: not at all. None: no
    shift does it, and each class must be looked at by itself.
    """
    if isinstance(data.source, MarkovSource):
        return "symbol" if data.source.num_chains is None else None
    runs = {run_of(family, data) for family in families.values()}
    trained = LabelRange(0, data.num_trained_labels)
    if all(run is not None and (run.is_own or run == trained) for run in runs):
        return "own"
    return "none" if len(runs) == 1 and None not in runs else None


def component(family: Family, data: DataConfig, pools: Pools, weight: float) -> Component | None:
    """None where its labels have another law than those of this module."""
    run = run_of(family, data)
    if run is None:
        return None
    assert isinstance(family, Bursty | Independent)
    pool = query_pool(family, data, pools)
    return Component(weight, run, pool, family.classes == "novel")


def label_entropy_bits(components: list[Component | None], data: DataConfig) -> float | None:
    """Entropy of the query's label given its class, in bits, in a mixture; None where not known."""
    known = [part for part in components if part is not None]
    if len(known) < len(components):
        return None
    total = sum(part.weight for part in known)
    endless = [part for part in known if part.is_endless]
    others = [part for part in known if not part.is_endless]
    bits = 0.0
    if endless:
        # The own labels of one class are as those of any other: all are trained ones.
        weights = np.array([[part.weight] for part in endless])
        runs = [part.run for part in endless]
        bits += weights.sum() / total * float(_entropies(weights, runs, np.zeros(1, int), data)[0])
    if not others:
        return bits
    weights = np.zeros((len(others), data.num_classes))
    for row, part in zip(weights, others, strict=True):
        if part.pool is not None:
            row[part.pool.first : part.pool.first + len(part.pool.probs)] = part.pool.probs
        elif len({other.run for other in others}) == 1:
            row[:] = 1 / data.num_classes  # any: classes are called alike
        else:
            return None
        row *= part.weight / total
    of_class = weights.sum(axis=0)
    asked = np.flatnonzero(of_class)
    runs = [part.run for part in others]
    entropies = _entropies(weights[:, asked], runs, _first_labels(asked, data), data)
    return bits + float(of_class[asked] @ entropies)


def _first_labels(classes: Int[np.ndarray, " class"], data: DataConfig) -> np.ndarray:
    """The first of each class's own, before any drift."""
    meanings = data.num_classes - 1 - classes
    if data.num_meanings:
        meanings = classes % data.num_meanings
    return meanings * data.label_multiplicity


def _entropies(
    weights: Float[np.ndarray, "run class"],
    runs: list[LabelRange],
    first_labels: Int[np.ndarray, " class"],
    data: DataConfig,
) -> Float[np.ndarray, " class"]:
    """Of each class's label, in bits.

    Between the ends of all runs labels are equally probable, but for the class's own.
    """
    shares = weights / weights.sum(axis=0) * (1 - data.label_noise)
    multiplicity = data.label_multiplicity
    noise = LabelRange(0, data.num_trained_labels)
    own = sum((s for s, run in zip(shares, runs, strict=True) if run.is_own), np.zeros(1))
    given = [(s, run) for s, run in zip(shares, runs, strict=True) if not run.is_own]
    given.append((np.full(weights.shape[1], data.label_noise), noise))
    end = data.num_trained_labels
    cuts = np.unique([0, end, *(cut for _, run in given for cut in (run.first, run.stop))])
    entropies = np.zeros(weights.shape[1])
    for low, high in itertools.pairwise(cuts):
        level = sum(
            share / (run.stop - run.first) * (run.first <= low and high <= run.stop)
            for share, run in given
        )
        stop = np.minimum(first_labels + multiplicity, high)
        inside = np.maximum(stop - np.maximum(first_labels, low), 0)
        entropies += (high - low - inside) * _surprise(level)
        entropies += inside * _surprise(level + own / multiplicity)
    return entropies


def _surprise(probs: Float[np.ndarray, " class"]) -> Float[np.ndarray, " class"]:
    """- p log2 p, 0 at 0."""
    return -probs * np.log2(np.where(probs > 0, probs, 1.0))
