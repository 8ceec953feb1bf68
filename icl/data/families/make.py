"""Families of sequences from their settings."""

from typing import Any

from icl.config import DataConfig, EvaluationConfig
from icl.config.families import (
    AnyFamily,
    BurstyFamily,
    FewShotFamily,
    IndependentFamily,
    MarkovFamily,
)
from icl.config.parts import find
from icl.config.sources import MarkovSource
from icl.data.families.base import Family
from icl.data.families.bursty import Bursty
from icl.data.families.independent import Independent
from icl.data.families.markov import Markov
from icl.data.families.mixture import Mixture
from icl.errors import UserError


def make_family(
    config: AnyFamily, data: DataConfig, evaluation: EvaluationConfig | None = None
) -> Family:
    """Make a family for training, or for a condition if `evaluation` is given."""
    holdout_exemplars = getattr(config, "exemplars", "train") == "holdout"
    match config:
        case BurstyFamily():
            return Bursty(
                pattern=data.pattern_of(config, evaluation),
                classes=config.classes,
                others=config.others,
                labels=config.labels,
                order=config.order,
                distinct=data.distinct_classes if config.distinct is None else config.distinct,
                distinct_labels=config.distinct_labels or _must_differ(config, data),
                holdout_exemplars=holdout_exemplars,
                is_training=evaluation is None,
            )
        case FewShotFamily():
            pattern = data.pattern_of(config, evaluation)
            return Bursty(
                pattern=pattern,
                num_ways=len(pattern),
                classes=config.classes,
                labels=config.labels,
                order=config.order,
                distinct_labels=_must_differ(config, data),
                holdout_exemplars=holdout_exemplars,
                is_training=evaluation is None,
            )
        case IndependentFamily():
            return Independent(
                context_len=config.context_len or data.context_len,
                classes=config.classes,
                support=config.support,
                distinct=config.distinct,
                copy_label=config.copy_label,
                holdout_exemplars=holdout_exemplars,
            )
        case MarkovFamily():
            source = data.source
            assert isinstance(source, MarkovSource)
            return Markov(
                context_len=config.context_len or data.context_len,
                num_symbols=source.num_symbols,
                concentration=source.concentration,
                seed=source.seed,
                num_chains=source.num_chains if config.chains == "train" else None,
            )
    made: Any = find({}, "family", config.kind)(config, data, evaluation)
    if not isinstance(made, Family):
        raise UserError(
            f"kind = {config.kind}: gives a {type(made).__name__}; allowed: a Family, a frozen "
            "object that is called with random bits and knobs"
        )
    return made


def _must_differ(config: BurstyFamily | FewShotFamily, data: DataConfig) -> bool:
    """Whether labels must differ, because exchanging equal ones would change nothing."""
    return config.labels == "flipped" and data.num_meanings is not None


def make_families(data: DataConfig) -> dict[str, Family]:
    """Make the families of the training mixture, by name, and the mixture itself, `train`."""
    families = {name: make_family(data.family(name), data) for name in data.weights}
    return families | {"train": Mixture(tuple(families.values()))}
