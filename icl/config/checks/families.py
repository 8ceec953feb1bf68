"""Whether a family of sequences can be made of the data: a line for each mistake.

As it is trained on, or as a condition that a network is tested in.
"""

from typing import NamedTuple

from icl.config.data_settings import DataSettings
from icl.config.evaluation import EvaluationConfig
from icl.config.families import (
    MAX_CONTEXT_LEN,
    BurstyFamily,
    Family,
    FewShotFamily,
    IndependentFamily,
    MarkovFamily,
    num_ways,
)
from icl.config.sources import ENDLESS_CLASSES, GaussianSource, MarkovSource

# What the pools of classes are made of: no two parts have a class in common.
PARTS = {
    "train": {"common", "rare"},
    "uniform": {"common", "rare"},
    "common": {"common"},
    "common_zipfian": {"common"},
    "rare": {"rare"},
    "rare_zipfian": {"rare"},
    "holdout": {"holdout"},
    "novel": {"novel"},
}


class Use(NamedTuple):
    """A family where it is used: trained on, or as a condition if `evaluation` is given."""

    name: str
    family: Family
    data: DataSettings
    evaluation: EvaluationConfig | None

    @property
    def place(self) -> str:
        """Where the config says so."""
        if self.evaluation:
            return f"evaluation.conditions = {self.name}"
        if self.data.mixture:
            return f"data.mixture.{self.name} = {self.data.mixture[self.name]:g}"
        return f"data.non_bursty = {self.name}"

    @property
    def further(self) -> int:
        """Classes beyond those in context: one, where the query's may be missing there."""
        return int(self.evaluation is None and self.data.p_relevant < 1)

    def setting(self, option: str) -> tuple[str, int]:
        """`shots` or `ways` of a few-shot or bursty family: its field and value."""
        own = getattr(self.family, option, None)
        if own:
            return f"data.families.{self.name}.{option}", own
        if isinstance(self.family, FewShotFamily) and self.evaluation:
            return f"evaluation.{option}", getattr(self.evaluation, option)
        return f"data.{option}", getattr(self.data, option)


def permuted_labels(data: DataSettings) -> tuple[str, int]:
    """The labels that are permuted, as the config has them, and their number."""
    count = data.num_permuted
    all_of_them = "" if data.num_permuted_labels else f"null (all {count})"
    return f"data.num_permuted_labels = {all_of_them or count}", count


def family_errors(use: Use) -> list[str]:
    """Of one family."""
    name, family, data, is_training = use.name, use.family, use.data, use.evaluation is None
    if isinstance(family, MarkovFamily) != isinstance(data.source, MarkovSource):
        is_markov = isinstance(data.source, MarkovSource)
        allowed = "markov, markov_novel, or one of kind markov" if is_markov else "other kinds"
        return [f"{use.place}; allowed with data.source ({data.source.kind}): {allowed}"]
    if isinstance(family, MarkovFamily):
        return _length_errors(use)
    pools = {family.classes, getattr(family, "others", None)} - {None}
    held_out = family.exemplars == "holdout" or "holdout" in pools
    if is_training and (held_out or getattr(family, "labels", "") == "holdout_pairs"):
        return [f"{use.place}; allowed where it is trained on: families with nothing held out"]
    errors = _length_errors(use)
    if errors:
        return errors
    if is_training and data.num_blocks > 1 and not pools <= {"train", "novel"}:
        errors.append(f"data.num_blocks = {data.num_blocks}; allowed: 1 for {name} (not of train)")
    if family.exemplars == "holdout" and data.num_holdout_exemplars == 0:
        errors.append(f"data.num_holdout_exemplars = 0; allowed: at least 1 for {name}")
    own_labels = getattr(family, "labels", "own") in ("own", "flipped")
    if own_labels and "novel" in pools and not data.num_meanings:
        errors.append(f"data.num_meanings = null; allowed: a number for {name} (novel classes)")
    if isinstance(family, IndependentFamily):
        return errors + _independent_errors(use, family)
    pattern = data.pattern_of(family, use.evaluation)
    return errors + _pattern_errors(use, family, pattern) + _naming_errors(use, family, pattern)


def _length_errors(use: Use) -> list[str]:
    """Of the number of items in a context: `data.context_len`, where it is trained on."""
    family, is_training = use.family, use.evaluation is None
    context_len = use.data.context_len
    pattern = getattr(family, "pattern", None)
    at_most = isinstance(family, BurstyFamily) and not pattern
    if pattern:
        count = sum(pattern)
        told = f"data.families.{use.name}.pattern = {list(pattern)} of {count} items"
    elif isinstance(family, BurstyFamily | FewShotFamily):
        (shots_field, shots), (ways_field, ways) = use.setting("shots"), use.setting("ways")
        count = shots * ways
        told = f"{shots_field} * {ways_field} = {shots} * {ways} = {count}"
    else:
        count = family.context_len or context_len
        told = f"data.families.{use.name}.context_len = {count}"
    if at_most and count > context_len:
        return [f"{told}; allowed: at most data.context_len = {context_len}"]
    if not at_most and is_training and count != context_len:
        return [
            f"{told}; allowed: data.context_len = {context_len} for {use.name}, as it is trained on"
        ]
    if count > MAX_CONTEXT_LEN:
        return [f"{told}; allowed: at most {MAX_CONTEXT_LEN} for {use.name}"]
    return []


def _independent_errors(use: Use, family: IndependentFamily) -> list[str]:
    errors = [
        f"data.families.{use.name}.support = {family.support}; allowed: never, where {option} is "
        "true"
        for option in ("distinct", "copy_label")
        if getattr(family, option) and family.support != "never"
    ]
    all_differ = (family.context_len or use.data.context_len) + 1
    need = 1 if family.support != "never" else all_differ if family.distinct else 2
    return errors + _too_few(use, family.classes, need)


def _pattern_errors(
    use: Use, family: BurstyFamily | FewShotFamily, pattern: tuple[int, ...]
) -> list[str]:
    """Whether the pools have classes enough."""
    others = family.others if isinstance(family, BurstyFamily) else None
    first = num_ways(pattern) if others else len(pattern)
    rest = len(pattern) - first
    shared = _shared_classes(use, family.classes, others) if others else 0
    differ = _all_differ(use)
    # The further class is none of the others, however these were drawn.
    need = first + (min(rest, shared) + 1 if use.further else 0)
    errors = _too_few(use, family.classes, need if differ or use.further else 1)
    if others and rest:
        errors += _too_few(use, others, rest + min(first, shared) if differ else 1)
    return errors


def _all_differ(use: Use) -> bool:
    """Whether the classes of a sequence do."""
    if not isinstance(use.family, BurstyFamily):
        return True
    return use.data.distinct_classes if use.family.distinct is None else use.family.distinct


def _shared_classes(use: Use, pool: str, other: str) -> int:
    """Number of classes that two pools have in common."""
    parts = _part_sizes(use.data)
    both = sum(parts[part] for part in PARTS[pool] & PARTS[other])
    return min(both, _pool_size(use, pool), _pool_size(use, other))


def _part_sizes(data: DataSettings) -> dict[str, int]:
    common = min(data.num_common_classes, data.num_classes)
    return {
        "common": common,
        "rare": data.num_classes - common,
        "holdout": data.num_holdout_classes,
        "novel": ENDLESS_CLASSES if isinstance(data.source, GaussianSource) else 0,
    }


def _pool_size(use: Use, pool: str) -> int:
    """Number of classes of a pool, of the smallest block where it is trained on."""
    if pool == "train" and use.evaluation is None:
        return use.data.num_classes // use.data.num_blocks
    parts = _part_sizes(use.data)
    return sum(parts[part] for part in PARTS[pool])


def _pool_field(use: Use, pool: str) -> str:
    """The settings that decide how many classes a pool has."""
    data, common = use.data, use.data.num_common_classes
    if pool == "train" and use.evaluation is None and data.num_blocks > 1:
        return f"data.num_classes / data.num_blocks = {data.num_classes} / {data.num_blocks}"
    if pool.startswith("rare"):
        return f"data.num_classes - data.num_common_classes = {data.num_classes} - {common}"
    if pool.startswith("common") and common <= data.num_classes:
        return f"data.num_common_classes = {common}"
    if pool == "holdout":
        return f"data.num_holdout_classes = {data.num_holdout_classes}"
    return f"data.num_classes = {data.num_classes}"


def _too_few(use: Use, pool: str, need: int, what: str = "classes") -> list[str]:
    size, most = _pool_size(use, pool), _pool_size(use, pool) - use.further
    if size >= need:
        return []
    if pool == "novel":
        return [f"data.source.kind = {use.data.source.kind}; allowed: gaussian for {use.name}"]
    field, ways = _pool_field(use, pool), use.setting("ways")
    if isinstance(use.family, FewShotFamily) and most >= 2:
        return [f"{ways[0]} = {ways[1]}; allowed: at most {most} for {use.name}, by {field}"]
    hint = ""
    if isinstance(use.family, BurstyFamily) and use.family.distinct is None and not use.further:
        hint = ", or data.distinct_classes = false" if what == "classes" and need > 1 else ""
    return [f"{field}; allowed: at least {need} different {what} for {use.name}{hint}"]


def _naming_errors(
    use: Use, family: BurstyFamily | FewShotFamily, pattern: tuple[int, ...]
) -> list[str]:
    """Whether there are labels enough, of the kind that the family gives."""
    name, data, labels = use.name, use.data, family.labels
    is_few_shot = isinstance(family, FewShotFamily)
    ways = len(pattern) if is_few_shot else num_ways(pattern)
    groups = len(pattern) + use.further
    errors = []
    if labels == "assigned" and groups > data.num_labels:
        field, count = use.setting("ways") if is_few_shot else (f"data.families.{name}", groups)
        errors.append(f"{field} = {count} labels; allowed: at most {data.num_labels - use.further}")
    if labels == "assigned" and not is_few_shot and ways < len(pattern):
        errors.append(
            f"data.families.{name}.labels = assigned; allowed: others, unless every class comes "
            "more than once"
        )
    if labels == "flipped" and ways < 2:
        field, count = use.setting("ways")
        if isinstance(family, BurstyFamily) and family.pattern:
            field, count = f"data.families.{name}.pattern = {list(pattern)}, ways", ways
        errors.append(
            f"{field} = {count}; allowed: at least 2 for {name}, whose labels are exchanged"
        )
    if labels in ("permuted", "holdout_pairs"):
        field, permuted = permuted_labels(data)
        pairs = data.num_holdout_pairs
        if groups > permuted:
            errors.append(f"{field}; allowed: at least {groups} for {name}")
        if pairs and groups != 2:
            errors.append(
                f"data.num_holdout_pairs = {pairs}; allowed: 0 for {name}, whose sequences have "
                f"{groups} classes and not 2"
            )
        if labels == "holdout_pairs" and not pairs:
            errors.append(f"data.num_holdout_pairs = 0; allowed: at least 1 for {name}")
    if labels in PARTS:
        if data.num_meanings:
            errors.append(
                f"data.num_meanings = {data.num_meanings}; allowed: null for {name}, which gives "
                "the labels of other classes"
            )
        errors += _too_few(use, labels, groups, "labels")
    must_differ = labels == "flipped" or getattr(family, "distinct_labels", False)
    if data.drift_rate and (must_differ or labels in PARTS):
        errors.append(
            f"data.drift_rate = {data.drift_rate}; allowed: 0 for {name}, whose labels all differ"
        )
    return errors + (_distinct_label_errors(use, family, groups) if must_differ else [])


def _distinct_label_errors(
    use: Use, family: BurstyFamily | FewShotFamily, groups: int
) -> list[str]:
    """Whether classes can be drawn whose own labels differ."""
    data, meanings, is_training = use.data, use.data.num_meanings, use.evaluation is None
    mistakes: list[tuple[bool, str, object, str]] = []
    if not _all_differ(use):
        own = isinstance(family, BurstyFamily) and family.distinct is not None
        field = f"data.families.{use.name}.distinct" if own else "data.distinct_classes"
        mistakes.append((True, field, "false", "true"))
    if meanings:
        others, is_train = getattr(family, "others", None), family.classes == "train"
        is_some = family.classes not in ("train", "uniform", "novel")
        is_part = family.classes != "novel" and data.num_classes % meanings > 0
        own_field = f"data.families.{use.name}"
        mistakes += [
            (groups > meanings, "data.num_meanings", meanings, f"at least {groups}"),
            (is_some, f"{own_field}.classes", family.classes, "train, uniform, novel"),
            (others is not None, f"{own_field}.others", others, "null"),
            (is_train and data.zipf_exponent > 0, "data.zipf_exponent", data.zipf_exponent, "0"),
            (is_training and data.num_blocks > 1, "data.num_blocks", data.num_blocks, "1"),
            (
                is_part,
                "data.num_classes",
                data.num_classes,
                f"multiples of num_meanings {meanings}",
            ),
        ]
    return [
        f"{field} = {value}; allowed: {allowed} for {use.name}, whose labels all differ"
        for is_wrong, field, value, allowed in mistakes
        if is_wrong
    ]
