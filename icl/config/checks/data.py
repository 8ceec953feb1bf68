"""Checks that the settings of the data fit each other: a line for each mistake.

`icl.config.checks.families` checks what each family of sequences needs.
"""

import math
import re

import numpy as np

from icl.config.checks.exemplars import too_few_exemplars
from icl.config.checks.families import PlacedFamily, family_errors, permuted_labels
from icl.config.class_probabilities import probability_errors
from icl.config.data_settings import MAX_CLASSES, MAX_LABELS, MAX_PAIR_LABELS, DataSettings
from icl.config.evaluation import EvaluationConfig
from icl.config.families import NAMED
from icl.config.sources import ENDLESS_CLASSES, IMAGE_RANKS, MarkovSource
from icl.errors import allowed


def data_errors(data: DataSettings) -> list[str]:
    """Mistakes in the distribution of training sequences."""
    errors = image_errors(data, data.source.shape) + _class_errors(data)
    errors += _frequency_errors(data) + _exemplar_errors(data) + _label_errors(data)
    errors += [
        f"data.families.{_shown(name)}: not a new name; allowed: letters, digits and _, and "
        "neither `train` nor the name of a family that is built in"
        for name in data.families
        if name in ("train", *NAMED) or not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII)
    ]
    if data.mixture and not any(data.mixture.values()):
        errors.append(
            f"data.mixture = {', '.join(data.mixture)}, all of weight 0; allowed: a weight above 0"
        )
    if not data.mixture and data.non_bursty == "bursty":
        errors.append("data.non_bursty = bursty; allowed: another family")
    for name, weight in data.given_weights.items():
        if name in NAMED or name in data.families:
            if weight == 0:  # nothing is drawn from it
                continue
            errors += family_errors(PlacedFamily(name, data.family(name), data, None))
        else:
            what = f"data.mixture.{_shown(name)}" if data.mixture else "data.non_bursty"
            errors.append(f"{what} = {_shown(name)}, unknown; {_known(name, data)}")
    known = data.known_exemplars
    if not errors and known is not None:
        errors += too_few_exemplars(data, None, known)
    return list(dict.fromkeys(errors))


def condition_errors(data: DataSettings, evaluation: EvaluationConfig) -> list[str]:
    """Mistakes in the conditions in which networks are tested."""
    errors = []
    for i, name in enumerate(evaluation.conditions):
        if name in NAMED or name in data.families:
            errors += family_errors(PlacedFamily(name, data.family(name), data, evaluation))
        elif name != "train":
            errors.append(
                f"evaluation.conditions.{i} = {_shown(name)}; {_known(name, data, 'train')}"
            )
    known = data.known_exemplars
    if not errors and known is not None:
        errors += too_few_exemplars(data, evaluation, known)
    return list(dict.fromkeys(errors))


def _shown(name: str) -> str:
    return name if re.fullmatch(r"[\w.-]+", name) else repr(name[:50])


def _known(name: str, data: DataSettings, *others: str) -> str:
    names = [*others, *map(_shown, data.families), *NAMED]
    known = allowed(name, names, page="docs/distribution.md#conditions")
    return f"{known}, or a name in data.families"


def image_errors(data: DataSettings, shape: tuple[int, ...] | None) -> list[str]:
    """Mistakes of settings for images. shape: of an exemplar; None: only a file has it."""
    if shape is None:
        return []
    is_image = len(shape) in IMAGE_RANKS
    errors = [
        f"data.{field} = true; allowed: false, except for images (omniglot, glyphs, your own)"
        for field in ("flips_and_rotations", "random_rare_exemplars")
        if getattr(data, field) and not is_image
    ]
    if is_image and data.flips_and_rotations and shape[0] != shape[1]:
        errors.append(
            "data.flips_and_rotations = true; allowed: false, as images have "
            f"{shape[0]} x {shape[1]} pixels and are not square"
        )
    return errors


def _frequency_errors(data: DataSettings) -> list[str]:
    """Mistakes in the probabilities of classes; those in a file are found when it is read."""
    own = data.class_probabilities
    if own is None:
        return []
    given = f"data.class_probabilities = {own if isinstance(own, str) else f'{len(own)} numbers'}"
    if isinstance(data.source, MarkovSource):
        return [f"{given}; allowed: null, as data.source (markov) has symbols instead of classes"]
    if data.zipf_exponent:
        return [f"{given}; allowed: null where data.zipf_exponent = {data.zipf_exponent}"]
    return [] if isinstance(own, str) else probability_errors(np.array(own), data.num_classes)


def _class_errors(data: DataSettings) -> list[str]:
    """Mistakes in the numbers of classes; a Markov chain has symbols instead."""
    source = data.source
    errors: list[str] = []
    if isinstance(source, MarkovSource):
        return errors
    held_out = data.num_holdout_classes
    may_be_image = source.shape is None or len(source.shape) in IMAGE_RANKS
    together = data.classes_per_source_class if may_be_image else 1
    used = f"data.num_classes + data.num_holdout_classes = {data.num_classes} + {held_out}"
    there = MAX_CLASSES if source.num_classes is None else source.num_classes * together
    if there > ENDLESS_CLASSES:
        errors.append(
            f"data.source.num_classes = {source.num_classes}, each made into {together}; "
            f"allowed: at most {ENDLESS_CLASSES} classes in all"
        )
    most = min(there, MAX_CLASSES)
    # Classes made from one class of the source are all on one side of the split.
    most_trained = (there - held_out) // together * together if held_out else most
    if data.num_classes + held_out > most:
        whose = f" classes of data.source ({source.kind})" if most == there else ""
        errors.append(f"{used}; allowed: at most {most}{whose}")
    elif data.num_classes > most_trained:
        errors.append(
            f"{used}; allowed: data.num_classes at most {most_trained}, so that the {together} "
            "classes made from one are all on one side"
        )
    return errors


def _exemplar_errors(data: DataSettings) -> list[str]:
    errors = []
    if data.exemplars == "separated" and len(data.source.shape or ()) != 2:
        errors.append(
            "data.exemplars = separated; allowed: all, single, except for images (omniglot, glyphs)"
        )
    if data.exemplars != "all":
        for field, none in (("num_exemplars", "null"), ("num_holdout_exemplars", "0")):
            if getattr(data, field):
                errors.append(
                    f"data.{field} = {getattr(data, field)}; allowed: {none} where "
                    f"data.exemplars = {data.exemplars}"
                )
    elif data.source.num_exemplars is not None:
        there, used = data.source.num_exemplars, data.num_exemplars or 1
        whose = f"{there} exemplars of each class of data.source ({data.source.kind})"
        if used > there:
            errors.append(f"data.num_exemplars = {used}; allowed: at most the {whose}")
        elif used + data.num_holdout_exemplars > there:
            errors.append(
                f"data.num_holdout_exemplars = {data.num_holdout_exemplars}; allowed: at most "
                f"{there - used}, what is left of the {whose}"
            )
    if data.noise_scale and data.source.shape == ():
        errors.append(f"data.noise_scale = {data.noise_scale}; allowed: 0 for symbols")
    return errors


def _label_errors(data: DataSettings) -> list[str]:
    errors = []
    if data.num_labels > MAX_LABELS:
        meanings = "data.num_meanings"
        if data.num_meanings is None:
            meanings = "(data.num_classes + data.num_holdout_classes)"
        errors.append(
            f"data.label_multiplicity * {meanings} = {data.num_labels} labels; allowed: at most "
            f"{MAX_LABELS}"
        )
    field, permuted = permuted_labels(data)
    if permuted > data.num_trained_labels:
        errors.append(
            f"{field}; allowed: at most the {data.num_trained_labels} labels of training classes"
        )
    pairs = math.comb(permuted, 2)
    if data.num_holdout_pairs and permuted > MAX_PAIR_LABELS:
        errors.append(
            f"{field}; allowed: at most {MAX_PAIR_LABELS} where data.num_holdout_pairs is above 0"
        )
    elif data.num_holdout_pairs >= pairs:
        errors.append(
            f"data.num_holdout_pairs = {data.num_holdout_pairs}; allowed: below {pairs}, the "
            f"pairs of {permuted} labels"
        )
    return errors
