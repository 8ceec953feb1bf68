"""Exact scores of the ideal learners of `icl.description.ceilings`, by formula.

A score without a formula here is None. Notation: e = `label_noise`; there are N trained labels,
and each class has K. A label that is drawn anew is one of its class's own with probability K / N.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from icl.config import DataConfig
from icl.config.sources import ENDLESS_CLASSES
from icl.data.families.base import Family
from icl.data.families.bursty import Bursty
from icl.data.families.independent import Independent
from icl.description.ceilings import learned_pools
from icl.description.closed_forms import (
    ClassPool,
    Pools,
    burst_counts,
    is_all_relevant,
    is_distinct,
    make_pools,
    p_present,
)
from icl.description.combining import RuleScore, SequenceGroup
from icl.description.votes import MAX_VOTES, most_frequent


class Exact(NamedTuple):
    """The accuracy of one learner, over all labels and among those in the context."""

    accuracy: float | None
    accuracy_in_context: float | None


NOTHING = Exact(None, None)
EXACT_METRICS = Exact._fields


class FamilySetting(NamedTuple):
    """A family of a training mixture, or a condition, which has no noise.

    knows: whether all (True), none (False) or some (None) of a pool's classes are known by heart.
    """

    family: Bursty | Independent
    data: DataConfig
    pools: Pools
    is_training: bool
    knows: Callable[[str], bool | None]

    @property
    def noise(self) -> float:
        return self.data.label_noise if self.is_training else 0.0

    @property
    def reliability(self) -> float:
        return self.data.cue_reliability if self.is_training else 1.0

    @property
    def is_quiet(self) -> bool:
        return self.noise == 0 and self.reliability == 1

    @property
    def labels(self) -> str:
        return self.family.labels if isinstance(self.family, Bursty) else "own"

    @property
    def shares_labels(self) -> bool:
        """Whether another class may have a label of the query's class."""
        return self.data.num_meanings is not None and self.labels in ("own", "flipped")

    @property
    def copies_label(self) -> bool:
        return isinstance(self.family, Independent) and self.family.copy_label

    @property
    def num_groups(self) -> int:
        """Number of groups of items in the context, one for each class of its pattern."""
        assert isinstance(self.family, Bursty)
        return len(self.family.pattern)


def make_knows(data: DataConfig) -> Callable[[str], bool | None]:
    """A function of the name of a pool: whether training teaches the labels of its classes."""
    pools = make_pools(data)
    known = np.zeros(data.num_classes + data.num_holdout_classes, bool)
    for name in learned_pools(data):
        pool = pools(name)
        if pool is not None:
            known[pool.first : pool.first + len(pool.probs)] = True
    if data.random_rare_exemplars:
        known[data.num_common_classes : data.num_classes] = False

    def knows(name: str) -> bool | None:
        pool = pools(name)
        if pool is None:
            return False
        inside = known[pool.first : pool.first + len(pool.probs)]
        return True if inside.all() else None if inside.any() else False

    return knows


class FamilyCeilings(NamedTuple):
    """Exact scores of a family.

    groups: its sequences as the combination sees them, for each metric; None: not known.
    """

    in_context: Exact
    in_weights: Exact
    groups: Mapping[str, list[SequenceGroup] | None]


def exact_ceilings(
    family: Family,
    data: DataConfig,
    pools: Pools,
    is_training: bool,
    knows: Callable[[str], bool | None],
) -> FamilyCeilings:
    """The exact scores of one family. is_training: as a part of the training mixture."""
    nothing = dict.fromkeys(EXACT_METRICS)
    if not isinstance(family, Bursty | Independent):
        return FamilyCeilings(NOTHING, NOTHING, nothing)
    setting = FamilySetting(family, data, pools, is_training, knows)
    if not setting.is_quiet and family.classes in ("holdout", "novel"):
        # Noise draws labels of training classes.
        return FamilyCeilings(NOTHING, NOTHING, nothing)
    present = p_present(family, data, pools)
    in_weights = _in_weights(setting, present)
    counts = burst_counts(family, data, pools)
    if counts is None or present is None:
        return FamilyCeilings(NOTHING, in_weights, nothing)
    absent = float(counts[0])
    copied: float | None = 0.0
    for k, probability in enumerate(counts[1:], 1):
        if probability > 0:
            copied = _add_weighted(copied, float(probability), _p_right_by_copying(setting, k))
    in_context = _add_weighted(copied, absent, _p_right_by_guessing(setting))
    groups = {
        metric: _groups(setting, absent, copied, getattr(in_weights, metric), metric)
        for metric in EXACT_METRICS
    }
    return FamilyCeilings(Exact(in_context, in_context), in_weights, groups)


def _groups(
    setting: FamilySetting, absent: float, copied: float | None, known: float | None, metric: str
) -> list[SequenceGroup]:
    """The sequences with the query's class in the context, and those without it.

    absent: the share without it. copied: how often it is present and copying is right.
    known: how often knowing by heart is right.
    """
    is_known, guessed = setting.knows(setting.family.classes), _p_right_by_guessing(setting)
    is_own = is_known is True and setting.labels == "own"
    groups = []
    if absent < 1:
        value = known if absent == 0 else None
        if is_own and metric == "accuracy":
            # Where noise draws the query's label, all answers are right equally often; elsewhere
            # an own label of its class always is.
            by_heart = RuleScore((1 - absent) * _own_is_right(setting), is_best=True)
        elif is_own and setting.is_quiet:
            by_heart = RuleScore(1 - absent, is_best=True)
        else:
            by_heart = RuleScore(value)
        from_context = RuleScore(copied, _is_best_copied(setting))
        groups.append(SequenceGroup(True, is_known, from_context, by_heart))
    if absent > 0:
        value = getattr(_known_where_absent(setting), metric) if setting.labels == "own" else None
        is_best = is_own and metric == "accuracy"
        is_hopeless = guessed == 0 and value == 0
        from_context = RuleScore(_add_weighted(0.0, absent, guessed), is_hopeless)
        by_heart = RuleScore(_add_weighted(0.0, absent, value), is_best or value == 1)
        groups.append(SequenceGroup(False, is_known, from_context, by_heart))
    return groups


def _is_best_copied(setting: FamilySetting) -> bool:
    """Whether no answer is right more often than a context label of the query's class.

    Where no label can be known by heart, such a label is right at least as often as any other.
    """
    if _p_right_by_copying(setting, 1) is None:
        return False
    return setting.is_quiet or (
        setting.labels in ("permuted", "assigned", "holdout_pairs")
        and setting.knows(setting.family.classes) is False
    )


def _add_weighted(sum_: float | None, weight: float, value: float | None) -> float | None:
    """The sum plus weight times value; None is unknown, and a weight of 0 adds nothing."""
    if weight == 0:
        return sum_
    return None if sum_ is None or value is None else sum_ + weight * value


def _p_right_by_copying(setting: FamilySetting, votes: int) -> float | None:
    """Probability that the most frequent label of `votes` items of the query's class is right."""
    family, data = setting.family, setting.data
    if isinstance(family, Bursty) and not is_distinct(family, data):
        # Two ways may be of one class, and have different labels.
        return 1.0 if setting.is_quiet and setting.labels == "own" else None
    if setting.is_quiet:
        return 1.0
    if votes > MAX_VOTES or setting.labels not in ("own", "flipped", "permuted"):
        return None
    total = data.num_trained_labels
    synonyms = 1 if setting.labels == "permuted" else data.label_multiplicity
    kept = (1 - setting.noise) * setting.reliability
    drawn_anew = (1 - kept) / total
    if isinstance(family, Independent):
        own = kept / synonyms + drawn_anew
        right = most_frequent(votes, synonyms, own, total - synonyms, drawn_anew)
    else:
        one = most_frequent(votes, 1, kept + drawn_anew, total - 1, drawn_anew)
        right = one + (synonyms - 1) * (1 - one) / max(total - 1, 1)
    return (1 - setting.noise) * right + setting.noise * synonyms / total


def _p_right_by_guessing(setting: FamilySetting) -> float | None:
    """Probability that a label in a context without the query's class is right."""
    if not setting.is_quiet or setting.shares_labels or setting.copies_label:
        return None
    return 0.0


def _known_where_absent(setting: FamilySetting) -> Exact:
    """The score of knowing own labels, given that the query's class is not in the context."""
    if setting.knows(setting.family.classes) is not True:
        return NOTHING
    if setting.copies_label and setting.is_quiet:
        return Exact(1.0, 1.0)
    return Exact(_own_is_right(setting), _p_right_by_guessing(setting))


def _own_is_right(setting: FamilySetting) -> float:
    """Probability that the query's label is one of its class's own."""
    data = setting.data
    return 1 - setting.noise + setting.noise * data.label_multiplicity / data.num_trained_labels


def _in_weights(setting: FamilySetting, present: float | None) -> Exact:
    """The score of knowing by heart. present: probability that the query's class is in context."""
    family, data = setting.family, setting.data
    knows = setting.knows(family.classes)
    if setting.labels == "own":
        if knows:
            return _own_in_weights(setting, present)
        return _own_guessed(setting) if knows is False and setting.is_quiet else NOTHING
    assert isinstance(family, Bursty)
    if knows is None or not setting.is_quiet or not is_all_relevant(family, data):
        return NOTHING
    if setting.labels == "flipped":
        return Exact(0.0, 0.0) if knows and is_distinct(family, data) else NOTHING
    return _given_in_weights(setting, knows)


def _own_in_weights(setting: FamilySetting, present: float | None) -> Exact:
    """The score of knowing by heart where sequences have their classes' own labels."""
    among = present if setting.is_quiet else None
    if setting.shares_labels and among != 1:
        among = None
    if setting.copies_label and setting.is_quiet:
        among = 1.0
    return Exact(_own_is_right(setting), among)


def _own_guessed(setting: FamilySetting) -> Exact:
    """The score of guessing one label for all classes that training never shows."""
    family, data = setting.family, setting.data
    pool, meanings = setting.pools(family.classes), data.num_meanings
    follows_pool = (
        is_all_relevant(family, data) if isinstance(family, Bursty) else family.support != "always"
    )
    accuracy: float | None = None
    if pool is None and meanings and data.source.num_classes == ENDLESS_CLASSES:
        size = ENDLESS_CLASSES - data.num_holdout_classes - data.num_classes
        accuracy = -(-size // meanings) / size
    elif pool is not None and follows_pool:
        if meanings is None:
            accuracy = float(pool.probs.max())
        elif pool.is_uniform:  # the commonest meaning of successive classes
            accuracy = -(-len(pool.probs) // meanings) / len(pool.probs)
    if setting.shares_labels or setting.copies_label:
        return Exact(accuracy, None)
    if isinstance(family, Independent):
        return Exact(accuracy, 0.0 if family.support == "never" else None)
    is_fair = pool is not None and pool.is_uniform and family.others is None
    is_fair = is_fair and is_distinct(family, data) and is_all_relevant(family, data)
    return Exact(accuracy, 1 / setting.num_groups if is_fair else None)


def _given_in_weights(setting: FamilySetting, knows: bool) -> Exact:
    """The score where labels do not depend on the class, so that own labels are right by chance.

    The answer depends on the query's class and on the set of labels in the context; each of these
    is equally likely to be the query's if labels are drawn uniformly.
    """
    family, data, multiplicity = setting.family, setting.data, setting.data.label_multiplicity
    among: float | None = 1 / setting.num_groups
    if setting.labels in ("assigned", "permuted", "holdout_pairs"):
        count = setting.num_groups
        if setting.labels != "assigned":
            if data.num_holdout_pairs:
                return Exact(None, among)
            count = data.num_permuted_labels or data.num_trained_labels
        given = ClassPool(0, np.full(count, 1 / count))
    else:
        named = setting.pools(setting.labels)
        if named is None:
            return NOTHING
        among = among if named.is_uniform else None
        if not knows:
            return Exact(float(named.probs.max()) / multiplicity, among)
        first = _meanings(named, data) * multiplicity
        given = _as_pool(first, named.probs, multiplicity)
    if not knows:
        return Exact(float(given.probs.max()), among)
    pool = setting.pools(family.classes)
    if pool is None or (data.num_meanings and pool.first >= data.num_classes):
        return Exact(None, among)
    own = _meanings(pool, data)[:, None] * multiplicity + np.arange(multiplicity)
    place = own - given.first
    inside = (place >= 0) & (place < len(given.probs))
    right = np.where(inside, given.probs[np.clip(place, 0, len(given.probs) - 1)], 0.0)
    return Exact(float(pool.probs @ right.mean(axis=1)), among)


def _meanings(pool: ClassPool, data: DataConfig) -> np.ndarray:
    """The meaning of each class of a pool, as in `icl.data.labels.meanings_of`."""
    classes = np.arange(pool.first, pool.first + len(pool.probs))
    if data.num_meanings:
        return classes % data.num_meanings
    return np.where(classes < data.num_classes, data.num_classes - 1 - classes, classes)


def _as_pool(first: np.ndarray, probs: np.ndarray, multiplicity: int) -> ClassPool:
    """Probabilities of labels. first: the first label of each class; probs: of the classes."""
    start = int(first.min())
    dense = np.zeros(int(first.max()) + multiplicity - start)
    for i in range(multiplicity):
        dense[first + i - start] = probs / multiplicity
    return ClassPool(start, dense)
