"""Checks that the data suffice for a family of sequences: a line for each mistake.

A family is trained on, or is a condition in which networks are tested.
"""

from typing import NamedTuple

from icl.config.data_settings import DataSettings
from icl.config.evaluation import EvaluationConfig
from icl.config.families import (
    MAX_CONTEXT_LEN,
    AnyFamily,
    BurstyFamily,
    FewShotFamily,
    IndependentFamily,
    MarkovFamily,
    OwnFamily,
    num_ways,
)
from icl.config.sources import ENDLESS_CLASSES, GaussianSource, MarkovSource

# The parts of each pool of classes; no two parts share a class.
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


class PlacedFamily(NamedTuple):
    """A family and where it is used: as a condition if `evaluation` is given, else in training."""

    name: str
    family: AnyFamily
    data: DataSettings
    evaluation: EvaluationConfig | None

    @property
    def where(self) -> str:
        """The setting that places the family, with its value."""
        if self.evaluation:
            return f"evaluation.conditions = {self.name}"
        if self.data.mixture:
            return f"data.mixture.{self.name} = {self.data.mixture[self.name]:g}"
        return f"data.non_bursty = {self.name}"

    @property
    def num_extra_classes(self) -> int:
        """Classes beyond those in the context: one if the query's class may be missing there."""
        return int(self.evaluation is None and self.data.p_relevant < 1)

    def field_and_value(self, option: str) -> tuple[str, int]:
        """The field that sets `shots` or `ways` of a few-shot or bursty family, and its value."""
        own = getattr(self.family, option, None)
        if own:
            return f"data.families.{self.name}.{option}", own
        if isinstance(self.family, FewShotFamily) and self.evaluation:
            return f"evaluation.{option}", getattr(self.evaluation, option)
        return f"data.{option}", getattr(self.data, option)


def permuted_labels(data: DataSettings) -> tuple[str, int]:
    """The setting of the labels that are permuted, as text, and their number."""
    count = data.num_permuted
    all_of_them = "" if data.num_permuted_labels else f"null (all {count})"
    return f"data.num_permuted_labels = {all_of_them or count}", count


def family_errors(placed: PlacedFamily) -> list[str]:
    """Mistakes of one family."""
    name, family, data, is_training = (
        placed.name,
        placed.family,
        placed.data,
        placed.evaluation is None,
    )
    if isinstance(family, MarkovFamily) != isinstance(data.source, MarkovSource):
        is_markov = isinstance(data.source, MarkovSource)
        allowed = "markov, markov_novel, or one of kind markov" if is_markov else "other kinds"
        return [f"{placed.where}; allowed with data.source ({data.source.kind}): {allowed}"]
    if isinstance(family, MarkovFamily):
        return _length_errors(placed)
    if isinstance(family, OwnFamily):
        return _length_errors(placed)
    pools = {family.classes, getattr(family, "others", None)} - {None}
    held_out = family.exemplars == "holdout" or "holdout" in pools
    if is_training and (held_out or getattr(family, "labels", "") == "holdout_pairs"):
        return [f"{placed.where}; allowed in training: families in which nothing is held out"]
    errors = _length_errors(placed)
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
        return errors + _independent_errors(placed, family)
    pattern = data.pattern_of(family, placed.evaluation)
    return (
        errors + _pattern_errors(placed, family, pattern) + _naming_errors(placed, family, pattern)
    )


def _length_errors(placed: PlacedFamily) -> list[str]:
    """Mistakes in the number of items in a context, which is `data.context_len` in training."""
    family, is_training = placed.family, placed.evaluation is None
    context_len = placed.data.context_len
    pattern = getattr(family, "pattern", None)
    at_most = isinstance(family, BurstyFamily) and not pattern
    if pattern:
        count = sum(pattern)
        field = f"data.families.{placed.name}.pattern = {list(pattern)} of {count} items"
    elif isinstance(family, BurstyFamily | FewShotFamily):
        (shots_field, shots), (ways_field, ways) = (
            placed.field_and_value("shots"),
            placed.field_and_value("ways"),
        )
        count = shots * ways
        field = f"{shots_field} * {ways_field} = {shots} * {ways} = {count}"
    else:
        count = family.context_len or context_len
        field = f"data.families.{placed.name}.context_len = {count}"
    if at_most and count > context_len:
        return [f"{field}; allowed: at most data.context_len = {context_len}"]
    if not at_most and is_training and count != context_len:
        return [
            f"{field}; allowed: data.context_len = {context_len} for {placed.name}, as it is "
            "trained on"
        ]
    if count > MAX_CONTEXT_LEN:
        return [f"{field}; allowed: at most {MAX_CONTEXT_LEN} for {placed.name}"]
    return []


def _independent_errors(placed: PlacedFamily, family: IndependentFamily) -> list[str]:
    errors = [
        f"data.families.{placed.name}.support = {family.support}; allowed: never, where {option} "
        "is true"
        for option in ("distinct", "copy_label")
        if getattr(family, option) and family.support != "never"
    ]
    all_differ = (family.context_len or placed.data.context_len) + 1
    need = 1 if family.support != "never" else all_differ if family.distinct else 2
    return errors + _too_few(placed, family.classes, need)


def _pattern_errors(
    placed: PlacedFamily, family: BurstyFamily | FewShotFamily, pattern: tuple[int, ...]
) -> list[str]:
    """Mistakes of pools with too few classes."""
    others = family.others if isinstance(family, BurstyFamily) else None
    first = num_ways(pattern) if others else len(pattern)
    rest = len(pattern) - first
    shared = _shared_classes(placed, family.classes, others) if others else 0
    differ = _all_differ(placed)
    # The extra class differs from all others, however these were drawn.
    need = first + (min(rest, shared) + 1 if placed.num_extra_classes else 0)
    errors = _too_few(placed, family.classes, need if differ or placed.num_extra_classes else 1)
    if others and rest:
        errors += _too_few(placed, others, rest + min(first, shared) if differ else 1)
    return errors


def _all_differ(placed: PlacedFamily) -> bool:
    """Whether all classes of a sequence differ."""
    if not isinstance(placed.family, BurstyFamily):
        return True
    return (
        placed.data.distinct_classes if placed.family.distinct is None else placed.family.distinct
    )


def _shared_classes(placed: PlacedFamily, pool: str, other: str) -> int:
    """The number of classes that two pools share."""
    parts = _part_sizes(placed.data)
    both = sum(parts[part] for part in PARTS[pool] & PARTS[other])
    return min(both, _pool_size(placed, pool), _pool_size(placed, other))


def _part_sizes(data: DataSettings) -> dict[str, int]:
    common = min(data.num_common_classes, data.num_classes)
    return {
        "common": common,
        "rare": data.num_classes - common,
        "holdout": data.num_holdout_classes,
        "novel": ENDLESS_CLASSES if isinstance(data.source, GaussianSource) else 0,
    }


def _pool_size(placed: PlacedFamily, pool: str) -> int:
    """The number of classes of a pool; in training, of its smallest block."""
    if pool == "train" and placed.evaluation is None:
        return placed.data.num_classes // placed.data.num_blocks
    parts = _part_sizes(placed.data)
    return sum(parts[part] for part in PARTS[pool])


def _pool_field(placed: PlacedFamily, pool: str) -> str:
    """The settings that determine the number of classes of a pool, as text."""
    data, common = placed.data, placed.data.num_common_classes
    if pool == "train" and placed.evaluation is None and data.num_blocks > 1:
        return f"data.num_classes / data.num_blocks = {data.num_classes} / {data.num_blocks}"
    if pool.startswith("rare"):
        return f"data.num_classes - data.num_common_classes = {data.num_classes} - {common}"
    if pool.startswith("common") and common <= data.num_classes:
        return f"data.num_common_classes = {common}"
    if pool == "holdout":
        return f"data.num_holdout_classes = {data.num_holdout_classes}"
    return f"data.num_classes = {data.num_classes}"


def _too_few(placed: PlacedFamily, pool: str, need: int, what: str = "classes") -> list[str]:
    size, most = _pool_size(placed, pool), _pool_size(placed, pool) - placed.num_extra_classes
    if size >= need:
        return []
    if pool == "novel":
        return [
            f"data.source.kind = {placed.data.source.kind}; allowed: gaussian for {placed.name}"
        ]
    field, ways = _pool_field(placed, pool), placed.field_and_value("ways")
    if isinstance(placed.family, FewShotFamily) and most >= 2:
        return [f"{ways[0]} = {ways[1]}; allowed: at most {most} for {placed.name}, by {field}"]
    hint = ""
    if (
        isinstance(placed.family, BurstyFamily)
        and placed.family.distinct is None
        and not placed.num_extra_classes
    ):
        hint = ", or data.distinct_classes = false" if what == "classes" and need > 1 else ""
    return [f"{field}; allowed: at least {need} different {what} for {placed.name}{hint}"]


def _naming_errors(
    placed: PlacedFamily, family: BurstyFamily | FewShotFamily, pattern: tuple[int, ...]
) -> list[str]:
    """Mistakes in the labels of a family: too few, or none of the kind that it needs."""
    name, data, labels = placed.name, placed.data, family.labels
    is_few_shot = isinstance(family, FewShotFamily)
    ways = len(pattern) if is_few_shot else num_ways(pattern)
    groups = len(pattern) + placed.num_extra_classes
    errors = []
    if labels == "assigned" and groups > data.num_labels:
        field, count = (
            placed.field_and_value("ways") if is_few_shot else (f"data.families.{name}", groups)
        )
        most = data.num_labels - placed.num_extra_classes
        errors.append(f"{field} = {count} labels; allowed: at most {most}")
    if labels == "assigned" and not is_few_shot and ways < len(pattern):
        errors.append(
            f"data.families.{name}.labels = assigned; allowed: other labels, unless every class "
            "occurs more than once"
        )
    if labels == "flipped" and ways < 2:
        field, count = placed.field_and_value("ways")
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
        errors += _too_few(placed, labels, groups, "labels")
    must_differ = labels == "flipped" or getattr(family, "distinct_labels", False)
    if data.drift_rate and (must_differ or labels in PARTS):
        errors.append(
            f"data.drift_rate = {data.drift_rate}; allowed: 0 for {name}, whose labels all differ"
        )
    return errors + (_distinct_label_errors(placed, family, groups) if must_differ else [])


def _distinct_label_errors(
    placed: PlacedFamily, family: BurstyFamily | FewShotFamily, groups: int
) -> list[str]:
    """Mistakes of a family whose classes must have different labels."""
    data, meanings, is_training = placed.data, placed.data.num_meanings, placed.evaluation is None
    mistakes: list[tuple[bool, str, object, str]] = []
    if not _all_differ(placed):
        own = isinstance(family, BurstyFamily) and family.distinct is not None
        field = f"data.families.{placed.name}.distinct" if own else "data.distinct_classes"
        mistakes.append((True, field, "false", "true"))
    if meanings:
        others, is_train = getattr(family, "others", None), family.classes == "train"
        is_some = family.classes not in ("train", "uniform", "novel")
        is_part = family.classes != "novel" and data.num_classes % meanings > 0
        own_field = f"data.families.{placed.name}"
        mistakes += [
            (groups > meanings, "data.num_meanings", meanings, f"at least {groups}"),
            (is_some, f"{own_field}.classes", family.classes, "train, uniform, novel"),
            (others is not None, f"{own_field}.others", others, "null"),
            (is_train and data.zipf_exponent > 0, "data.zipf_exponent", data.zipf_exponent, "0"),
            (
                is_train and data.class_probabilities is not None,
                "data.class_probabilities",
                "given",
                "null",
            ),
            (is_training and data.num_blocks > 1, "data.num_blocks", data.num_blocks, "1"),
            (
                is_part,
                "data.num_classes",
                data.num_classes,
                f"multiples of num_meanings {meanings}",
            ),
        ]
    return [
        f"{field} = {value}; allowed: {allowed} for {placed.name}, whose labels all differ"
        for is_wrong, field, value, allowed in mistakes
        if is_wrong
    ]
