"""Distributions with every knob turned, and a sample of each, for tests of what is said of them."""

import functools
from pathlib import Path

from icl.config.yaml import load_config
from icl.description.samples import Parts, draw_sample, make_parts
from icl.types import IndexSequence

QUICKSTART = Path(__file__).parent.parent.parent / "configs" / "quickstart.yaml"
NUM_SEQUENCES = 20_000

# Classes without pictures: quick to make, and all that is tested here are integers.
BASE = (
    "data.source={kind: symbolic, num_classes: 40}",
    "model.embedder={kind: one_hot}",
    "data.num_classes=30",
    "data.num_common_classes=10",
    "data.num_holdout_classes=7",
    "data.p_bursty=0.8",
    "data.label_multiplicity=1",
)

TRAINING = {
    "uniform": (),
    "zipf": ("data.zipf_exponent=1", "data.label_multiplicity=4"),
    "independent": ("data.p_bursty=0", "data.zipf_exponent=1.5"),
    "noise": ("data.p_bursty=1", "data.label_noise=0.3", "data.label_multiplicity=2"),
    "noise and support": (
        "data.non_bursty=supported",
        "data.zipf_exponent=1",
        "data.label_noise=0.2",
        "data.label_multiplicity=2",
    ),
    "unreliable cues": (
        "data.mixture={bursty: 1}",
        "data.cue_reliability=0.6",
        "data.label_noise=0.1",
    ),
    "irrelevant contexts": ("data.p_relevant=0.6", "data.label_multiplicity=2"),
    "with replacement": ("data.distinct_classes=false", "data.zipf_exponent=1"),
    "with replacement, irrelevant": ("data.distinct_classes=false", "data.p_relevant=0.5"),
    "meanings": ("data.num_meanings=6", "data.p_bursty=1", "data.label_multiplicity=2"),
    "rare and common": (
        "data.mixture={bursty_rare: 2, bursty_common: 1, common_uniform: 1, bursty_permuted: 1}",
    ),
    "others with replacement": (
        "data.families={mine: {kind: bursty, pattern: [3,2,1,1,1], others: uniform, "
        "distinct: false}}",
        "data.mixture={mine: 1}",
        "data.zipf_exponent=1",
    ),
    "blocks": ("data.num_blocks=4", "data.zipf_exponent=1"),
    "new images of rare classes": (
        "data.source={kind: glyphs, size: 8, num_classes: 40, num_exemplars: 1}",
        "model.embedder={kind: linear}",
        "data.random_rare_exemplars=true",
    ),
    "permuted": (
        "data.mixture={bursty_permuted: 1}",
        "data.num_permuted_labels=9",
        "data.label_noise=0.3",
        "data.label_multiplicity=2",
    ),
}


@functools.cache
def parts_of(*overrides: str) -> Parts:
    """The distribution with these settings in place of the base's."""
    fields = {word.partition("=")[0] for word in overrides}
    base = [word for word in BASE if word.partition("=")[0] not in fields]
    return make_parts(load_config(QUICKSTART, base + list(overrides)))


@functools.cache
def training_sample(name: str) -> tuple[Parts, IndexSequence]:
    """Draw a sample of a distribution of TRAINING."""
    parts = parts_of(*TRAINING[name])
    return parts, draw_sample(parts, "train", parts.families["train"], NUM_SEQUENCES)
