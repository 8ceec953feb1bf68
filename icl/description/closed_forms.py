"""Exact formulas for the statistics of sequences.

Functions return None where this file has no exact formula, and never an approximation. They leave
out the rounding of probabilities to multiples of 2**-32 and 2**-24 (docs/distribution.md).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.special import gammaln

from icl.config import DataConfig
from icl.config.sources import MarkovSource
from icl.data.families.base import Family
from icl.data.families.bursty import Bursty
from icl.data.families.independent import Independent
from icl.data.frequencies import class_weights

# Pairs of classes and terms of a sum; larger sums take too long.
MAX_PAIRS = 2**24
MAX_TERMS = 2**29

Array = Float[np.ndarray, " k"]


class ClassPool(NamedTuple):
    """A distribution over consecutive classes; held-out classes follow the trained ones."""

    first: int
    probs: Float[np.ndarray, " class"]

    @property
    def is_uniform(self) -> bool:
        return bool(self.probs.max() <= self.probs.min() * (1 + 1e-12))


Pools = Callable[[str], ClassPool | None]


def make_pools(data: DataConfig, block: int | None = None) -> Pools:
    """A function from the name of a pool to the pool, or to None for classes without end.

    block: of classes, to which `train` is confined.
    """
    n = data.num_classes
    weights = class_weights(data)
    common = min(data.num_common_classes, n)

    def pool(first: int, stop: int, is_uniform: bool = False) -> ClassPool | None:
        if stop <= first:
            return None
        part = np.ones(stop - first) if is_uniform else weights[first:stop]
        return ClassPool(first, part / part.sum())

    def find(name: str) -> ClassPool | None:
        match name:
            case "train" if block is not None:
                size, rest = divmod(n, data.num_blocks)
                first, stop = (b * size + b * rest // data.num_blocks for b in (block, block + 1))
                return pool(first, stop)
            case "train" | "uniform":
                return pool(0, n, name == "uniform")
            case "common" | "common_zipfian":
                return pool(0, common, name == "common")
            case "rare" | "rare_zipfian":
                return pool(common, n, name == "rare")
            case "holdout":
                return pool(n, n + data.num_holdout_classes, True)
        return None

    return find


def is_all_relevant(family: Bursty, data: DataConfig) -> bool:
    """Whether the query's class is always in the context."""
    return not family.is_training or data.p_relevant == 1


def query_pool(family: Family, data: DataConfig, pools: Pools) -> ClassPool | None:
    """The distribution of the query's class; None for classes without end."""
    if not isinstance(family, Bursty | Independent):
        return None
    pool = pools(family.classes)
    if pool is None:
        return None
    if isinstance(family, Bursty):
        # The query of an irrelevant context is drawn last, and differs from all other classes.
        is_pools = is_all_relevant(family, data) or (pool.is_uniform and family.others is None)
        return pool if is_pools else None
    if family.support != "always":
        return pool
    # Where the class drawn is not in the context, that of a random context item replaces it.
    absent = (1 - pool.probs) ** (family.context_len - 1)
    return ClassPool(pool.first, pool.probs * (1 + np.sum(pool.probs * absent) - absent))


def class_frequencies(
    family: Family, data: DataConfig, pools: Pools
) -> Float[np.ndarray, " class"] | None:
    """Probability that the query is of each training class."""
    if isinstance(data.source, MarkovSource):
        # If each sequence has a chain of its own, all symbols are equally probable.
        symbols = data.source.num_symbols
        return None if data.source.num_chains else np.full(symbols, 1 / symbols)
    frequencies = np.zeros(data.num_classes)
    if isinstance(family, Bursty | Independent) and family.classes == "novel":
        return frequencies
    pool = query_pool(family, data, pools)
    if pool is None:
        return None
    inside = min(len(pool.probs), max(0, data.num_classes - pool.first))
    frequencies[pool.first : pool.first + inside] = pool.probs[:inside]
    return frequencies


def p_present(family: Family, data: DataConfig, pools: Pools) -> float | None:
    """Probability that the query's class is in the context."""
    if isinstance(family, Bursty):
        return 1.0 if is_all_relevant(family, data) else data.p_relevant
    if not isinstance(family, Independent):
        return None
    if family.support != "any":
        return float(family.support == "always")
    pool = pools(family.classes)
    return None if pool is None else 1 - float(pool.probs @ (1 - pool.probs) ** family.context_len)


def burst_counts(
    family: Family, data: DataConfig, pools: Pools
) -> Float[np.ndarray, " count"] | None:
    """Probability that the query's class occurs 0, 1, ... context_len times in the context."""
    if isinstance(family, Bursty):
        relevant = _relevant_counts(family, data, pools)
        if relevant is None or is_all_relevant(family, data):
            return relevant
        irrelevant = np.eye(1, len(relevant))[0]
        return data.p_relevant * relevant + (1 - data.p_relevant) * irrelevant
    if not isinstance(family, Independent):
        return None
    length = family.context_len
    if family.support == "never":
        return np.eye(1, length + 1)[0]
    pool = pools(family.classes)
    if pool is None or len(pool.probs) * length > MAX_TERMS:
        return None
    values, repeats = np.unique(pool.probs, return_counts=True)
    weights = values * repeats
    counts = np.array([np.sum(weights * _binomial(length, k, values)) for k in range(length + 1)])
    if family.support == "any":
        return counts
    replaced = _counts_where_replaced(length, values, repeats)
    return None if replaced is None else np.append(0.0, counts[1:] + replaced)


def is_distinct(family: Bursty, data: DataConfig) -> bool:
    """Whether all classes of a sequence differ."""
    return family.distinct or (family.distinct_labels and data.num_meanings is not None)


def _relevant_counts(
    family: Bursty, data: DataConfig, pools: Pools
) -> Float[np.ndarray, " count"] | None:
    """The probabilities of `burst_counts` where the query is of the first class."""
    length, first = sum(family.pattern), family.pattern[0]
    if is_distinct(family, data):
        return np.eye(1, length + 1, first)[0]
    pool = pools(family.classes)
    if pool is None or len(pool.probs) * length * len(family.pattern) > MAX_TERMS:
        return None
    values, index = pool.probs, np.arange(pool.first, pool.first + len(pool.probs))
    others = values
    if family.others is not None:
        other = pools(family.others)
        if other is None:
            return None
        others = np.zeros(len(index))
        inside = (index >= other.first) & (index < other.first + len(other.probs))
        others[inside] = other.probs[index[inside] - other.first]
    # Given the query's class c, every later class is c again with its own probability.
    counts = np.zeros((length + 1, len(values)))
    counts[first] = 1
    for i, shots in enumerate(family.pattern[1:], 1):
        again = values if i < family.ways or family.others is None else others
        moved = np.concatenate([np.zeros((shots, len(values))), counts[:-shots]])
        counts = counts * (1 - again) + moved * again
    return counts @ values


def _binomial(n: int, k: int, p: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Probability of k successes of n."""
    with np.errstate(divide="ignore", invalid="ignore"):
        failures = (n - k) * np.log1p(-p) if n > k else 0.0
        return np.exp(
            gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1) + k * np.log(p) + failures
        )


def _counts_where_replaced(
    length: int, values: Array, repeats: Int[np.ndarray, " k"]
) -> Float[np.ndarray, " count"] | None:
    """Joint probability that the class drawn for the query is not in the context, and that the
    class of a random context item, which replaces it, occurs 1, 2, ... length times.

    values, repeats: the different probabilities of classes, and how many classes have each.
    """
    if len(values) ** 2 * length > MAX_PAIRS * 8:
        return None
    drawn, other = values[:, None], values[None]
    pairs = repeats[:, None] * (repeats[None] - np.eye(len(values)))
    conditional = np.minimum(other / np.maximum(1 - drawn, other), 1.0)
    weights = pairs * drawn * (1 - drawn) ** length * conditional
    return np.array(
        [np.sum(weights * _binomial(length - 1, k, conditional)) for k in range(length)]
    )


def mixed(parts: list[tuple[float, Any]]) -> Any:
    """The weighted mean of arrays or numbers; None where one that has a weight is not known."""
    parts = [(weight, value) for weight, value in parts if weight > 0]
    if any(value is None for _, value in parts):
        return None
    total = sum(weight for weight, _ in parts)
    return sum(weight / total * value for weight, value in parts)
