"""What must hold of every sequence, by its family's settings: plain Python, one item at a time.

It reads the config alone, as docs/distribution.md has it, and shares no code with `icl.data`.
"""

from collections import Counter
from itertools import pairwise
from typing import Any, NamedTuple

from icl.config import DataConfig, EvaluationConfig
from icl.config.families import Family


class Drawn(NamedTuple):
    """One sequence; the last item is the query."""

    classes: list[int]
    exemplars: list[int]
    labels: list[int]
    synonyms: int
    family: int


class Setting(NamedTuple):
    """Where sequences come from. evaluation: None where they are trained on.

    total: classes of the source, of which the last are held out. in_use: exemplars trained on.
    """

    data: DataConfig
    evaluation: EvaluationConfig | None
    total: int
    in_use: int
    step: int = 0

    @property
    def noisy(self) -> bool:
        return self.evaluation is None and self.data.label_noise > 0

    @property
    def cued(self) -> bool:
        return self.evaluation is None and self.data.cue_reliability < 1


def pool(name: str, setting: Setting) -> range:
    data, total = setting.data, setting.total
    n, common = data.num_classes, min(data.num_common_classes, data.num_classes)
    first_held_out = total - data.num_holdout_classes
    if name == "train" and setting.evaluation is None:
        block = setting.step // data.block_steps % data.num_blocks
        return range(block * n // data.num_blocks, (block + 1) * n // data.num_blocks)
    if name in ("train", "uniform"):
        return range(n)
    if name.startswith("common"):
        return range(common)
    if name.startswith("rare"):
        return range(common, n)
    return range(first_held_out, total) if name == "holdout" else range(n, first_held_out)


def meanings(c: int, setting: Setting) -> range:
    """What a class may mean: one number, but for drift."""
    data = setting.data
    count = data.num_meanings or data.num_classes
    if data.drift_rate and setting.step and c < data.num_classes:
        return range(count)
    if data.num_meanings:
        m = c % data.num_meanings
    elif c < data.num_classes:
        m = data.num_classes - 1 - c
    else:
        m = data.num_classes + c - (setting.total - data.num_holdout_classes)
    return range(m, m + 1)


def pattern_of(family: Family, setting: Setting) -> list[int]:
    data, own = setting.data, getattr(family, "pattern", None)
    if own:
        return list(own)
    if family.kind == "bursty":
        ones = data.context_len - data.shots * data.ways
        return [data.shots] * data.ways + [1] * ones
    where = setting.evaluation or data
    return [family.shots or where.shots] * (family.ways or where.ways)


def check(drawn: Drawn, family: Family, setting: Setting) -> None:
    """Raises AssertionError where a sequence is not one of the family's."""
    data = setting.data
    assert all(0 <= label < data.num_labels for label in drawn.labels)
    if family.kind == "markov":
        return check_markov(drawn, family, setting)
    first = setting.in_use if family.exemplars == "holdout" else 0
    count = data.num_holdout_exemplars if family.exemplars == "holdout" else setting.in_use
    assert all(first <= e < first + count for e in drawn.exemplars)
    if family.kind == "independent":
        return check_independent(drawn, family, setting)
    pattern = pattern_of(family, setting)
    assert len(drawn.classes) == sum(pattern) + 1
    check_classes(drawn, family, setting, pattern)
    check_exemplars(drawn, family, setting, pattern, count)
    check_order(drawn, family, pattern)
    if not setting.noisy and not setting.cued:
        check_labels(drawn, family, setting, pattern)
    return None


def check_markov(drawn: Drawn, family: Any, setting: Setting) -> None:
    assert len(drawn.classes) == (family.context_len or setting.data.context_len) + 1
    assert all(0 <= c < setting.total for c in drawn.classes)
    assert set(drawn.exemplars) == {0}
    assert drawn.synonyms == 1
    if not setting.noisy and not setting.cued:
        assert drawn.classes[1:] == drawn.labels[:-1]


def check_independent(drawn: Drawn, family: Any, setting: Setting) -> None:
    *context, query = drawn.classes
    assert len(context) == (family.context_len or setting.data.context_len)
    own = pool(family.classes, setting)  # of novel classes, too many for a set
    assert all(c in own for c in drawn.classes)
    assert {"always": query in context, "never": query not in context}.get(family.support, True)
    assert not family.distinct or len(set(drawn.classes)) == len(drawn.classes)
    assert drawn.synonyms == setting.data.label_multiplicity
    if setting.noisy or setting.cued:
        return
    is_own = [
        label // drawn.synonyms in meanings(c, setting)
        for c, label in zip(drawn.classes, drawn.labels, strict=True)
    ]
    if family.copy_label:
        assert drawn.labels[-1] in drawn.labels[:-1]
        assert is_own.count(False) <= 1
        assert is_own[-1]
    else:
        assert all(is_own)


def is_distinct(family: Any, data: DataConfig) -> bool:
    if family.kind == "few_shot":
        return True
    return data.distinct_classes if family.distinct is None else family.distinct


def num_ways(pattern: list[int]) -> int:
    return max([i + 1 for i, count in enumerate(pattern) if count > 1], default=1)


def check_classes(drawn: Drawn, family: Any, setting: Setting, pattern: list[int]) -> None:
    *context, query = drawn.classes
    counts = Counter(context)
    own = pool(family.classes, setting)
    others = pool(getattr(family, "others", None) or family.classes, setting)
    assert query in own
    assert all(c in own or c in others for c in context)
    num_own = sum(pattern[: num_ways(pattern)])
    assert sum(c in own for c in context) >= num_own
    if own.stop <= others.start or others.stop <= own.start:
        assert sum(c in own for c in context) == num_own
    if counts[query] == 0:
        assert setting.evaluation is None
        assert setting.data.p_relevant < 1
    if is_distinct(family, setting.data):
        assert sorted(counts.values()) == sorted(pattern)
        assert all(c in own for c in counts if counts[c] > 1)
        assert counts[query] in (0, pattern[0])
    elif counts[query]:
        assert counts[query] >= pattern[0]
    if setting.evaluation is None and setting.data.p_relevant == 0:
        assert counts[query] == 0


def check_exemplars(
    drawn: Drawn, family: Any, setting: Setting, pattern: list[int], count: int
) -> None:
    """Exemplars of a repeated class differ while there are others."""
    data = setting.data
    copies = data.p_copied_exemplar or data.p_matched_exemplar
    if not is_distinct(family, data) or (setting.evaluation is None and copies):
        return
    items = Counter(drawn.classes)
    for c in items:
        used = [e for k, e in zip(drawn.classes, drawn.exemplars, strict=True) if k == c]
        if len(used) > 1:
            assert len(set(used)) == min(count, len(used))


def check_order(drawn: Drawn, family: Any, pattern: list[int]) -> None:
    context = drawn.classes[:-1]
    counts = Counter(context)
    if sorted(counts.values()) != sorted(pattern):  # classes that coincide
        return
    if family.order == "blocked":
        changes = sum(a != b for a, b in pairwise(context))
        assert changes == len(counts) - 1
    if family.order == "grouped":
        rounds = [context[:i].count(c) for i, c in enumerate(context) if counts[c] > 1]
        assert rounds == sorted(rounds)


def check_labels(drawn: Drawn, family: Any, setting: Setting, pattern: list[int]) -> None:
    data = setting.data
    multiplicity = data.label_multiplicity
    assert drawn.synonyms == (multiplicity if family.labels in ("own", "flipped") else 1)
    named: dict[int, set[int]] = {}
    for c, label in zip(drawn.classes, drawn.labels, strict=True):
        named.setdefault(c, set()).add(label)
    if family.labels == "own":
        for c, labels in named.items():
            assert all(label // multiplicity in meanings(c, setting) for label in labels)
    if not is_distinct(family, data):
        return
    assert all(len(labels) == 1 for labels in named.values())
    name = {c: labels.pop() for c, labels in named.items()}
    if family.labels != "own" or getattr(family, "distinct_labels", False):
        assert len(set(name.values())) == len(name)
    groups = len(name)
    if family.labels == "assigned":
        further = setting.evaluation is None and data.p_relevant < 1
        assert set(name.values()) <= set(range(len(pattern) + further))
        assert groups >= len(pattern)
    elif family.labels in ("permuted", "holdout_pairs"):
        permuted = data.num_permuted_labels or data.num_trained_labels
        assert all(label < permuted for label in name.values())
    elif family.labels == "flipped":
        ways = [c for c, count in Counter(drawn.classes[:-1]).items() if count > 1]
        if len(ways) == num_ways(pattern):  # else one of them comes once
            own = [next(iter(meanings(c, setting))) for c in ways]
            given = [name[c] // multiplicity for c in ways]
            assert sorted(own) == sorted(given)
            assert all(a != b for a, b in zip(own, given, strict=True))
        for c in set(name) - set(ways):
            if len(ways) == num_ways(pattern):
                assert name[c] // multiplicity in meanings(c, setting)
    elif family.labels != "own":
        of_pool = {m for c in pool(family.labels, setting) for m in meanings(c, setting)}
        assert all(label // multiplicity in of_pool for label in name.values())
