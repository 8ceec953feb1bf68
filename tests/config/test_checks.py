"""Checks between settings of data and of networks: field, value and bound in one line."""

import pytest

from ..messages import check_line, errors, spaced

GAUSSIAN = "data.source.kind=gaussian model.embedder.kind=linear"
SYMBOLIC = "data.source.kind=symbolic model.embedder.kind=table"
FEATURES = "data.source={kind:features,path:x.npy} data.num_classes=1600"
LABELS = "data.label_multiplicity * (data.num_classes + data.num_holdout_classes)"
IN_ALL = "data.num_classes + data.num_holdout_classes"

# Each with the settings that break it and no other, the field and value that the line names, and
# the bounds and names that follow.
CHECKS = [
    # Names.
    ("data.families.train.kind=markov", "data.families.train"),
    ("data.families.bursty.kind=bursty", "data.families.bursty"),
    ("data.families.a-b.kind=bursty", "data.families.a-b"),
    ("data.mixture.foo=1", "data.mixture.foo = foo", "data.families"),
    ("data.mixture={independent:0,bursty:0}", "data.mixture = independent, bursty", "0"),
    ("data.non_bursty=foo", "data.non_bursty = foo", "bursty", "docs/distribution.md#conditions"),
    ("data.non_bursty=bursty", "data.non_bursty = bursty"),
    # Classes.
    (
        f"{GAUSSIAN} data.flips_and_rotations=true",
        "data.flips_and_rotations = true",
        "omniglot, glyphs",
    ),
    (
        f"{SYMBOLIC} data.random_rare_exemplars=true",
        "data.random_rare_exemplars = true",
        "omniglot, glyphs",
    ),
    (
        f"{GAUSSIAN} data.flips_and_rotations=true",
        "data.flips_and_rotations = true",
        "omniglot, glyphs",
    ),
    ("data.num_common_classes=99999999", "data.num_common_classes = 99999999", "10000000"),
    (
        "data.num_blocks=1601 data.mixture.independent=1",
        "data.num_classes / data.num_blocks = 1600 / 1601",
        "1",
    ),
    (
        f"{GAUSSIAN} data.num_classes=100000 data.num_blocks=32769 data.distinct_classes=false",
        "data.num_blocks = 32769",
        "32768",
    ),
    ("data.block_steps=2147483648", "data.block_steps = 2147483648", "2147483647"),
    (
        f"{GAUSSIAN} data.num_classes=10000000 data.num_meanings=2",
        f"{IN_ALL} = 10000000 + 23",
        "10000000",
    ),
    (
        "data.source={kind:glyphs,num_classes:1000000,num_exemplars:500,size:8} "
        "data.exemplars=separated data.flips_and_rotations=true",
        "data.source.num_classes = 1000000",
        "4000",
        "1073741824",
    ),
    (
        "data.flips_and_rotations=true data.num_classes=12961",
        f"{IN_ALL} = 12961 + 23",
        "12960",
        "8",
    ),
    (
        "data.exemplars=separated data.num_classes=32441 data.num_holdout_classes=5",
        f"{IN_ALL} = 32441 + 5",
        "32440",
        "20",
    ),
    # Exemplars.
    (f"{FEATURES} data.exemplars=separated", "data.exemplars = separated", "all, single"),
    (
        "data.exemplars=single data.num_exemplars=2",
        "data.num_exemplars = 2",
        "null",
        "data.exemplars = single",
    ),
    (
        "data.exemplars=single data.num_holdout_exemplars=1",
        "data.num_holdout_exemplars = 1",
        "0",
        "data.exemplars = single",
    ),
    ("data.num_holdout_exemplars=20", "data.num_holdout_exemplars = 20", "19"),
    (
        "data.num_exemplars=18 data.num_holdout_exemplars=3",
        "data.num_holdout_exemplars = 3",
        "2",
        "20",
    ),
    (f"{SYMBOLIC} data.noise_scale=0.1", "data.noise_scale = 0.1", "0"),
    # Labels.
    (
        f"{GAUSSIAN} data.num_classes=10000 data.label_multiplicity=1000",
        f"{LABELS} = 10023000",
        "10000000",
    ),
    (
        "data.num_meanings=9999999",
        "data.label_multiplicity * data.num_meanings = 39999996",
        "10000000",
    ),
    ("data.num_permuted_labels=6401", "data.num_permuted_labels = 6401", "6400"),
    (
        "data.num_holdout_pairs=1",
        "data.num_permuted_labels = null (all 6400)",
        "1024",
        "data.num_holdout_pairs",
    ),
    ("data.num_permuted_labels=4 data.num_holdout_pairs=6", "data.num_holdout_pairs = 6", "6", "4"),
    # Networks.
    ("model.positions={kind:learned,max_tokens:16}", "model.positions.max_tokens = 16", "17"),
    (
        "model.positions={kind:learned,max_tokens:20} data.families.x={kind:few_shot,ways:6} "
        "evaluation.conditions=[x]",
        "model.positions.max_tokens = 20",
        "49",
    ),
    ("model.positions={kind:shifted,size:16}", "model.positions.size = 16", "17"),
    ("model.positions={kind:shifted,size:64}", "model.positions.size = 64", "model.width = 64"),
    ("model.labels=one_hot model.width=64", "model.labels = one_hot", "6492", "table, fixed", "64"),
    ("model.label_dim=5", "model.label_dim = 5", "null", "model.tokens = concatenated"),
    (
        "model.tokens=concatenated model.label_dim=64",
        "model.label_dim = 64",
        "64",
        "model.width = 64",
    ),
    ("model.readout=tied model.head=[32]", "model.readout = tied", "free"),
    ("model.readout=tied model.tokens=concatenated", "model.readout = tied", "free"),
    (
        "model.tokens=concatenated training.interim_weight=0.5",
        "training.interim_weight = 0.5",
        "0",
        "model.tokens = concatenated",
    ),
    ("model.positions={kind:rotary} model.width=24", "model.num_heads = 8", "model.width = 24"),
    ("model.embedder={kind:identity}", "model.embedder.kind = identity", "784", "64"),
]


@pytest.mark.parametrize("check", CHECKS, ids=[check[0] for check in CHECKS])
def test_one_line_names_the_settings_and_the_bound(check: tuple[str, ...]):
    settings, subject, *others = check
    (line,) = errors(*spaced(settings))
    check_line(line, subject, *others)
