"""Checks of families of sequences against the data: field, value and bound in one line."""

import pytest

from ..messages import check_line, errors, spaced

GAUSSIAN = "data.source.kind=gaussian model.embedder.kind=linear"
MARKOV = "data.source.kind=markov model.embedder.kind=table evaluation.conditions=[markov]"


def used(family: str) -> str:
    """Settings that train on the family and on nothing else."""
    return f"data.families.x={{{family}}} data.mixture.x=1"


def asked(family: str) -> str:
    """Settings that test on the family and on nothing else."""
    return f"data.families.x={{{family}}} evaluation.conditions=[x]"


PERMUTED = used("kind:bursty,pattern:[4,4],labels:permuted")
RARE = "data.num_classes - data.num_common_classes"

# Each with the settings that break it and no other, the field and value that the line names, and
# the bounds and names that follow.
CHECKS = [
    # Lengths of contexts.
    (
        used("kind:bursty,pattern:[3,3,1]"),
        "data.families.x.pattern = [3, 3, 1]",
        "7",
        "data.context_len = 8",
    ),
    (
        used("kind:few_shot,ways:3"),
        "data.shots * data.families.x.ways = 3 * 3 = 9",
        "data.context_len = 8",
    ),
    (
        "data.mixture.fewshot_train=1",
        "data.shots * data.ways = 3 * 2 = 6",
        "data.context_len = 8",
        "fewshot_train",
    ),
    (
        "data.mixture.fewshot_train=1 data.ways=512",
        "data.shots * data.ways = 3 * 512 = 1536",
        "data.context_len = 8",
        "fewshot_train",
    ),
    (
        used("kind:independent,context_len:9"),
        "data.families.x.context_len = 9",
        "data.context_len = 8",
        "x",
    ),
    (
        f"{MARKOV} {used('kind:markov,context_len:9')}",
        "data.families.x.context_len = 9",
        "data.context_len = 8",
        "x",
    ),
    (asked("kind:bursty,pattern:[512,1]"), "data.families.x.pattern = [512, 1]", "513", "512"),
    (
        asked("kind:few_shot,ways:2,shots:512"),
        "data.families.x.shots * data.families.x.ways = 512 * 2",
        "512",
    ),
    (
        "data.mixture.independent=1 evaluation.conditions=[bursty] data.shots=512",
        "data.shots * data.ways = 512 * 2",
        "data.context_len = 8",
    ),
    # What a family is, and where it is.
    ("data.mixture.markov=1", "data.mixture.markov = 1", "data.source (glyphs)"),
    ("data.non_bursty=markov", "data.non_bursty = markov", "data.source (glyphs)"),
    ("evaluation.conditions=[markov]", "evaluation.conditions = markov", "data.source (glyphs)"),
    (f"{MARKOV} data.mixture.bursty=1", "data.mixture.bursty = 1", "markov_novel"),
    (
        f"{MARKOV} evaluation.conditions=[flip]",
        "evaluation.conditions = flip",
        "markov, markov_novel",
    ),
    ("data.mixture.fewshot_holdout=1 data.shots=4", "data.mixture.fewshot_holdout = 1", "held out"),
    (
        "data.non_bursty=no_support_holdout_exemplars",
        "data.non_bursty = no_support_holdout_exemplars",
        "held out",
    ),
    (used("kind:bursty,pattern:[4,4],labels:holdout_pairs"), "data.mixture.x = 1", "held out"),
    (used("kind:bursty,others:holdout"), "data.mixture.x = 1", "held out"),
    (
        "data.num_blocks=2 data.non_bursty=common_uniform",
        "data.num_blocks = 2",
        "1",
        "common_uniform",
    ),
    (
        "evaluation.conditions=[fewshot_holdout_exemplars]",
        "data.num_holdout_exemplars = 0",
        "1",
        "fewshot_holdout_exemplars",
    ),
    (
        "evaluation.conditions=[fewshot_novel]",
        "data.source.kind = glyphs",
        "gaussian",
        "fewshot_novel",
    ),
    (f"{GAUSSIAN} data.mixture.bursty_novel=1", "data.num_meanings = null", "bursty_novel"),
    (f"{GAUSSIAN} {asked('kind:independent,classes:novel')}", "data.num_meanings = null", "x"),
    (f"{GAUSSIAN} {used('kind:bursty,others:novel')}", "data.num_meanings = null", "x"),
    (
        f"{GAUSSIAN} {asked('kind:few_shot,classes:novel,labels:flipped')}",
        "data.num_meanings = null",
        "x",
    ),
    (used("kind:independent,distinct:true"), "data.families.x.support = any", "never", "distinct"),
    (
        asked("kind:independent,copy_label:true,support:always"),
        "data.families.x.support = always",
        "never",
        "copy_label",
    ),
    # Classes enough.
    ("data.num_classes=4 data.p_relevant=0.5", "data.num_classes = 4", "5", "bursty"),
    ("data.num_blocks=401", "data.num_classes / data.num_blocks = 1600 / 401", "4", "bursty"),
    (
        "data.num_common_classes=0 evaluation.conditions=[no_support_common]",
        "data.num_common_classes = 0",
        "2",
        "no_support_common",
    ),
    (
        "data.num_common_classes=1599 evaluation.conditions=[no_support_rare]",
        f"{RARE} = 1600 - 1599",
        "2",
        "no_support_rare",
    ),
    (
        "data.num_common_classes=1700 evaluation.conditions=[fewshot_rare]",
        f"{RARE} = 1600 - 1700",
        "2",
        "fewshot_rare",
    ),
    (
        "data.num_common_classes=9 data.num_classes=5 evaluation.conditions=[fewshot_common] "
        "evaluation.ways=6",
        "evaluation.ways = 6",
        "5",
        "fewshot_common",
        "data.num_classes = 5",
    ),
    (
        "data.num_classes=8 evaluation.conditions=[no_support_distinct]",
        "data.num_classes = 8",
        "9",
        "no_support_distinct",
    ),
    (
        "data.num_classes=4 evaluation.conditions=[flip] evaluation.ways=5",
        "evaluation.ways = 5",
        "4",
        "flip",
    ),
    # Ways are two of the four common classes at most, and the others two: one is missing.
    (
        f"{used('kind:bursty,classes:common,others:train')} data.num_common_classes=4 "
        "data.p_relevant=0.5",
        "data.num_common_classes = 4",
        "5",
    ),
    (
        f"{used('kind:bursty,classes:train,others:common')} data.num_common_classes=3",
        "data.num_common_classes = 3",
        "4",
    ),
    (
        f"{used('kind:bursty,classes:common,distinct:false')} data.num_common_classes=0",
        "data.num_common_classes = 0",
        "1",
    ),
    (
        f"{used('kind:bursty,others:common,distinct:false')} data.num_common_classes=0",
        "data.num_common_classes = 0",
        "1",
    ),
    (
        "data.distinct_classes=false data.p_relevant=0.9 data.num_classes=4",
        "data.num_classes = 4",
        "5",
    ),
    # Labels enough.
    (
        "data.num_meanings=2 data.label_multiplicity=1 evaluation.ways=3 "
        "evaluation.conditions=[fewshot_train]",
        "evaluation.ways = 3 labels",
        "2",
    ),
    (
        f"{used('kind:bursty,pattern:[2,2,2,2],labels:assigned')} data.num_meanings=3 "
        "data.label_multiplicity=1",
        "data.families.x = 4 labels",
        "3",
    ),
    (
        f"{used('kind:few_shot,shots:2,ways:4')} data.num_meanings=4 data.label_multiplicity=1 "
        "data.p_relevant=0.5",
        "data.families.x.ways = 4 labels",
        "3",
    ),
    (used("kind:bursty,labels:assigned"), "data.families.x.labels = assigned"),
    (
        used("kind:bursty,labels:flipped,pattern:[1,1,1,1,1,1,1,1]"),
        "data.families.x.pattern = [1, 1, 1, 1, 1, 1, 1, 1], ways = 1",
        "2",
    ),
    (
        "data.families.x={kind:few_shot,labels:flipped,ways:1} evaluation.conditions=[x]",
        "data.families.x.ways = 1",
        "2",
    ),
    (
        used("kind:bursty,labels:flipped,pattern:[8]"),
        "data.families.x.pattern = [8], ways = 1",
        "2",
    ),
    (f"{used('kind:bursty,labels:flipped')} data.ways=1", "data.ways = 1", "2"),
    (
        "data.num_permuted_labels=3 data.mixture.bursty_permuted=1",
        "data.num_permuted_labels = 3",
        "4",
        "bursty_permuted",
    ),
    (
        "data.num_permuted_labels=9 data.num_holdout_pairs=1 data.mixture.bursty_permuted=1",
        "data.num_holdout_pairs = 1",
        "0",
        "bursty_permuted",
        "4",
    ),
    (
        f"data.num_permuted_labels=9 data.num_holdout_pairs=1 data.p_relevant=0.5 {PERMUTED}",
        "data.num_holdout_pairs = 1",
        "0",
        "x",
        "3",
    ),
    (
        "evaluation.conditions=[fewshot_holdout_pairs]",
        "data.num_holdout_pairs = 0",
        "1",
        "fewshot_holdout_pairs",
    ),
    (
        "data.num_meanings=9 evaluation.conditions=[fewshot_uniform_labels]",
        "data.num_meanings = 9",
        "null",
        "fewshot_uniform_labels",
    ),
    (
        f"{asked('kind:bursty,labels:rare')} data.num_common_classes=1598",
        f"{RARE} = 1600 - 1598",
        "4",
        "labels",
        "x",
    ),
    # Labels that differ.
    ("data.drift_rate=0.5 evaluation.conditions=[flip]", "data.drift_rate = 0.5", "0", "flip"),
    (
        "data.drift_rate=0.5 evaluation.conditions=[fewshot_common_labels]",
        "data.drift_rate = 0.5",
        "0",
        "fewshot_common_labels",
    ),
    (
        f"{used('kind:bursty,distinct_labels:true')} data.distinct_classes=false",
        "data.distinct_classes = false",
        "true",
    ),
    (used("kind:bursty,labels:flipped,distinct:false"), "data.families.x.distinct = false", "true"),
    (
        f"{used('kind:bursty,distinct_labels:true')} data.num_meanings=2",
        "data.num_meanings = 2",
        "4",
    ),
    (
        f"{used('kind:bursty,distinct_labels:true')} data.num_meanings=4 data.p_relevant=0.5",
        "data.num_meanings = 4",
        "5",
    ),
    (
        f"{used('kind:bursty,distinct_labels:true,classes:common')} data.num_meanings=4",
        "data.families.x.classes = common",
        "train, uniform, novel",
    ),
    (
        f"{used('kind:bursty,distinct_labels:true,others:rare')} data.num_meanings=4",
        "data.families.x.others = rare",
        "null",
    ),
    (
        "data.num_meanings=4 data.zipf_exponent=1.5 evaluation.conditions=[flip]",
        "data.zipf_exponent = 1.5",
        "0",
        "flip",
    ),
    (
        f"{used('kind:bursty,distinct_labels:true')} data.num_meanings=4 data.num_blocks=2",
        "data.num_blocks = 2",
        "1",
        "x",
    ),
    ("data.num_meanings=7 evaluation.conditions=[flip]", "data.num_classes = 1600", "7", "flip"),
]


@pytest.mark.parametrize("check", CHECKS, ids=[check[0] for check in CHECKS])
def test_one_line_names_the_settings_and_the_bound(check: tuple[str, ...]):
    settings, subject, *others = check
    (line,) = errors(*spaced(settings))
    check_line(line, subject, *others)
