"""Configs: what is accepted, what is refused, and how a mistake is told."""

from pathlib import Path

import pytest

from icl.config import AnyConfig
from icl.config.families import NAMED
from icl.config.grid import load_sweep
from icl.config.yaml import differences, dump_config, load_config
from icl.errors import UserError

from ..conftest import ALL_CONFIGS, CONFIGS, QUICKSTART, is_grid
from ..messages import fields_of

GRIDS = [path for path in ALL_CONFIGS if is_grid(path)]


def errors(*overrides: str) -> tuple[str, ...]:
    with pytest.raises(UserError) as caught:
        load_config(QUICKSTART, list(overrides))
    return caught.value.args


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_loads(path: Path):
    assert isinstance(load_config(path), AnyConfig)


@pytest.mark.parametrize("path", GRIDS, ids=lambda path: path.stem)
def test_every_grid_loads(path: Path):
    cells = load_sweep(path).cells
    assert len({cell.digest for cell in cells}) == len(cells) > 1


def test_names_that_other_tools_rely_on():
    config = load_config(
        QUICKSTART,
        [
            "seed=3",
            "data.source.kind=omniglot",
            "data.p_bursty=0.25",
            "data.zipf_exponent=1",
            "data.num_classes=100",
            "data.label_multiplicity=4",
            "data.num_exemplars=5",
            "model.kind=transformer",
            "model.num_layers=3",
            "model.width=32",
            "training.num_steps=7",
            "training.batch_size=2",
            "training.learning_rate=3e-4",
            "evaluation.every=5",
        ],
    )
    assert (config.seed, config.data.source.kind, config.data.p_bursty) == (3, "omniglot", 0.25)
    assert (config.data.zipf_exponent, config.data.num_classes) == (1, 100)
    assert (config.data.label_multiplicity, config.data.num_exemplars) == (4, 5)
    assert (config.model.kind, config.model.num_layers, config.model.width) == (
        "transformer",
        3,
        32,
    )
    assert (config.training.num_steps, config.training.batch_size) == (7, 2)
    assert (config.training.learning_rate, config.evaluation.every) == (3e-4, 5)


def test_a_dumped_config_is_the_same_config(tmp_path: Path):
    config = load_config(QUICKSTART, ["model.embedder.kind=conv", "training.clip_norm=1"])
    (tmp_path / "config.yaml").write_text(dump_config(config))
    assert load_config(tmp_path / "config.yaml") == config


def test_configs_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        load_config(QUICKSTART).seed = 1


@pytest.mark.parametrize(
    ("override", "field", "value", "allowed"),
    [
        ("data.p_bursty=1.5", "data.p_bursty", "1.5", "at most 1"),
        ("data.p_bursty=.nan", "data.p_bursty", "nan", "a number"),
        ("data.p_bursty=often", "data.p_bursty", "often", "a number"),
        ("data.zipf_exponent=-1", "data.zipf_exponent", "-1", "at least 0"),
        ("data.num_classes=2.5", "data.num_classes", "2.5", "a whole number"),
        ("data.num_classes=1601", "data.num_classes", "1601", "1623"),
        ("data.num_classes=3", "data.num_classes", "3", "at least 4"),
        ("data.num_exemplars=21", "data.num_exemplars", "21", "20"),
        ("data.num_holdout_classes=0", "data.num_holdout_classes", "0", "at least"),
        ("data.num_holdout_classes=1", "data.num_holdout_classes", "1", "at least 2"),
        ("evaluation.ways=24", "evaluation.ways", "24", "at most 23 for fewshot_holdout"),
        ("data.ways=3", "data.shots * data.ways", "9", "at most data.context_len = 8"),
        ("data.source.kind=cifar", "data.source.kind", "cifar", "'omniglot', 'glyphs', "),
        ("model.kind=perceptron", "model.kind", "perceptron", "'transformer', 'rnn', "),
        ("model.num_heads=7", "model.num_heads", "7", "a divisor of model.width = 64"),
        ("model={kind: transformer, width: 63, num_heads: 9}", "model.width", "63", "even"),
        ("training.learning_rate=0", "training.learning_rate", "0", "above 0"),
        ("training.learning_rate=inf", "training.learning_rate", "inf", "a number"),
        ("training.clip_norm=-1", "training.clip_norm", "-1", "above 0, or null"),
        ("training.num_steps=true", "training.num_steps", "true", "a whole number"),
        ("evaluation.every=0", "evaluation.every", "0", "at least 1"),
        ("evaluation.conditions=[icl]", "evaluation.conditions.0", "icl", "train, bursty, "),
        ("evaluation.conditions=[3]", "evaluation.conditions.0", "3", "string"),
        ("evaluation.conditions=[]", "evaluation.conditions", "[]", "at least 1"),
        ("evaluation.conditions=no_support", "evaluation.conditions", "no_support", "a list"),
        (
            "evaluation.conditions=[no_support, no_support]",
            "evaluation.conditions",
            "no_support",
            "each name once",
        ),
        ("evaluation.shots=400", "evaluation.shots * evaluation.ways", "400", "512"),
        ("model.embedder={kind: conv, channels: [0]}", "model.embedder.channels.0", "0", "at le"),
        ("model.embedder=linear", "model.embedder", "linear", "kind (conv, identity, linear, mlp"),
        ("data.source={}", "data.source.kind", "missing", "glyphs, markov, omniglot"),
        ("data.source=null", "data.source", "null", "kind (features, "),
        ('data.source.kind="a\\nb"', "data.source.kind", "a", "'omniglot'"),
        ("data.mixture=3", "data.mixture", "3", "a table of names and weights"),
        ("data.families=3", "data.families", "3", "a table of names and settings"),
        ("data.families.x=3", "data.families.x", "3", "kind (bursty, few_shot, "),
        ("data.families.x={}", "data.families.x.kind", "missing", "bursty, few_shot, "),
        ("data.mixture.bursty=-1", "data.mixture.bursty", "-1", "at least 0"),
        ("data.mixture.bursty=.inf", "data.mixture.bursty", "inf", "a number"),
        (f"data.p_bursty={'1' * 500}", "data.p_bursty", "111...", "at most 1"),
        ("seed=2020-13-45", "seed", "2020-13-45", "YAML"),
        ("seed=!!int foo", "seed", "!!int foo", "YAML"),
        ("data={1: 2}", "data", "1: 2", "YAML"),
        ("data={p_bursty: 0, p_bursty: 1}", "data", "p_bursty", "YAML"),
        ("data=3", "data", "3", "settings"),
    ],
)
def test_one_line_names_the_field_the_value_and_what_is_allowed(override, field, value, allowed):
    (line,) = errors(override)
    assert "\n" not in line
    assert line.startswith(field)
    before, _, after = line.partition("; allowed")
    assert value in before
    assert allowed in after


# Checks between fields, each with the settings that break it and no other.

GAUSSIAN = "data.source.kind=gaussian model.embedder.kind=linear"
SYMBOLIC = "data.source.kind=symbolic model.embedder.kind=table"
MARKOV = "data.source.kind=markov model.embedder.kind=table evaluation.conditions=[markov]"
FEATURES = "data.source={kind:features,path:x.npy}"


def used(family: str) -> str:
    """Settings that train on the family and on nothing else."""
    return f"data.families.x={{{family}}} data.mixture.x=1"


def asked(family: str) -> str:
    return f"data.families.x={{{family}}} evaluation.conditions=[x]"


CHECKS = [
    # Names.
    ("data.families.train.kind=markov", "data.families.train", "train", "neither `train` nor"),
    ("data.families.bursty.kind=bursty", "data.families.bursty", "bursty", "letters, digits and _"),
    ("data.families.a-b.kind=bursty", "data.families.a-b", "a-b", "letters, digits and _"),
    ("data.mixture.foo=1", "data.mixture.foo", "foo", "a name in data.families"),
    ("data.mixture={independent:0,bursty:0}", "data.mixture", "weight 0", "above 0"),
    ("data.non_bursty=foo", "data.non_bursty", "foo", "independent, "),
    ("data.non_bursty=bursty", "data.non_bursty", "bursty", "another family"),
    # Classes.
    (f"{GAUSSIAN} data.flips_and_rotations=true", "data.flips_and_rotations", "true", "images"),
    (
        f"{SYMBOLIC} data.random_rare_exemplars=true",
        "data.random_rare_exemplars",
        "true",
        "images",
    ),
    (f"{FEATURES} data.flips_and_rotations=true", "data.flips_and_rotations", "true", "images"),
    ("data.num_common_classes=99999999", "data.num_common_classes", "99999999", "10000000"),
    (
        "data.num_blocks=1601 data.mixture.independent=1",
        "data.num_classes / data.num_blocks",
        "1600 / 1601",
        "at least 1",
    ),
    (
        f"{GAUSSIAN} data.num_classes=100000 data.num_blocks=32769 data.distinct_classes=false",
        "data.num_blocks",
        "32769",
        "at most 32768",
    ),
    ("data.block_steps=2147483648", "data.block_steps", "2147483648", "at most 2147483647"),
    (
        f"{GAUSSIAN} data.num_classes=10000000 data.num_meanings=2",
        "data.num_classes + data.num_holdout_classes",
        "10000000 + 23",
        "at most 10000000",
    ),
    (
        "data.source={kind:glyphs,num_classes:1000000,num_exemplars:500,size:8} "
        "data.exemplars=separated data.flips_and_rotations=true",
        "data.source.num_classes",
        "1000000, each made into 4000",
        "1073741824",
    ),
    (
        "data.flips_and_rotations=true data.num_classes=12961",
        "data.num_classes + data.num_holdout_classes",
        "12961 + 23",
        "at most 12960, so that the 8 classes",
    ),
    (
        "data.exemplars=separated data.num_classes=32441 data.num_holdout_classes=5",
        "data.num_classes + data.num_holdout_classes",
        "32441 + 5",
        "at most 32440",
    ),
    # Exemplars.
    (f"{FEATURES} data.exemplars=separated", "data.exemplars", "separated", "all, single"),
    ("data.exemplars=single data.num_exemplars=2", "data.num_exemplars", "2", "null where"),
    (
        "data.exemplars=single data.num_holdout_exemplars=1",
        "data.num_holdout_exemplars",
        "1",
        "0 where data.exemplars = single",
    ),
    ("data.num_holdout_exemplars=20", "data.num_holdout_exemplars", "20", "at most 19"),
    (
        "data.num_exemplars=18 data.num_holdout_exemplars=3",
        "data.num_holdout_exemplars",
        "3",
        "at most 2, what is left of the 20",
    ),
    (f"{SYMBOLIC} data.noise_scale=0.1", "data.noise_scale", "0.1", "0 for symbols"),
    # Labels.
    (
        f"{GAUSSIAN} data.num_classes=10000 data.label_multiplicity=1000",
        "data.label_multiplicity * (data.num_classes + data.num_holdout_classes)",
        "10023000 labels",
        "at most 10000000",
    ),
    ("data.num_meanings=9999999", "data.label_multiplicity * data.num_meanings", "3999", "1000000"),
    ("data.num_permuted_labels=6401", "data.num_permuted_labels", "6401", "at most the 6400"),
    ("data.num_holdout_pairs=1", "data.num_permuted_labels", "null (all 6400)", "at most 1024"),
    (
        "data.num_permuted_labels=4 data.num_holdout_pairs=6",
        "data.num_holdout_pairs",
        "6",
        "below 6",
    ),
    # Lengths of contexts.
    (used("kind:bursty,pattern:[3,3,1]"), "data.families.x.pattern", "7 items", "context_len = 8"),
    (used("kind:few_shot,ways:3"), "data.shots * data.families.x.ways", "3 * 3", "context_len = 8"),
    ("data.mixture.fewshot_train=1", "data.shots * data.ways", "3 * 2", "data.context_len = 8"),
    (
        "data.mixture.fewshot_train=1 data.ways=9999999999",
        "data.shots * data.ways",
        "9999999999",
        "data.context_len = 8",
    ),
    (
        used("kind:independent,context_len:9"),
        "data.families.x.context_len",
        "9",
        "data.context_len = 8 for x",
    ),
    (
        f"{MARKOV} {used('kind:markov,context_len:9')}",
        "data.families.x.context_len",
        "9",
        "data.context_len = 8 for x",
    ),
    (asked("kind:bursty,pattern:[512,1]"), "data.families.x.pattern", "513 items", "at most 512"),
    (
        asked("kind:few_shot,ways:2,shots:9999999999"),
        "data.families.x.shots * data.families.x.ways",
        "9999999999 * 2",
        "at most 512",
    ),
    (
        "data.mixture.independent=1 evaluation.conditions=[bursty] data.shots=9999999999",
        "data.shots * data.ways",
        "9999999999 * 2",
        "at most data.context_len",
    ),
    # What a family is, and where it is.
    ("data.mixture.markov=1", "data.mixture.markov", "1", "other kinds"),
    ("data.non_bursty=markov", "data.non_bursty", "markov", "other kinds"),
    ("evaluation.conditions=[markov]", "evaluation.conditions", "markov", "other kinds"),
    (f"{MARKOV} data.mixture.bursty=1", "data.mixture.bursty", "1", "markov_novel"),
    (
        f"{MARKOV} evaluation.conditions=[flip]",
        "evaluation.conditions",
        "flip",
        "markov, markov_novel",
    ),
    (
        "data.mixture.fewshot_holdout=1 data.shots=4",
        "data.mixture.fewshot_holdout",
        "1",
        "nothing held out",
    ),
    (
        "data.non_bursty=no_support_holdout_exemplars",
        "data.non_bursty",
        "no_support_holdout_exemplars",
        "nothing held out",
    ),
    (
        used("kind:bursty,pattern:[4,4],labels:holdout_pairs"),
        "data.mixture.x",
        "1",
        "nothing held out",
    ),
    (used("kind:bursty,others:holdout"), "data.mixture.x", "1", "nothing held out"),
    ("data.num_blocks=2 data.non_bursty=common_uniform", "data.num_blocks", "2", "1 for common_un"),
    (
        "evaluation.conditions=[fewshot_holdout_exemplars]",
        "data.num_holdout_exemplars",
        "0",
        "at least 1",
    ),
    ("evaluation.conditions=[fewshot_novel]", "data.source.kind", "glyphs", "gaussian for fewshot"),
    (f"{GAUSSIAN} data.mixture.bursty_novel=1", "data.num_meanings", "null", "a number for burst"),
    (
        f"{GAUSSIAN} {asked('kind:independent,classes:novel')}",
        "data.num_meanings",
        "null",
        "a number",
    ),
    (f"{GAUSSIAN} {used('kind:bursty,others:novel')}", "data.num_meanings", "null", "a number"),
    (
        f"{GAUSSIAN} {asked('kind:few_shot,classes:novel,labels:flipped')}",
        "data.num_meanings",
        "null",
        "a number for x",
    ),
    (used("kind:independent,distinct:true"), "data.families.x.support", "any", "never, where dis"),
    (
        asked("kind:independent,copy_label:true,support:always"),
        "data.families.x.support",
        "always",
        "never, where copy_label",
    ),
    # Classes enough.
    ("data.num_classes=4 data.p_relevant=0.5", "data.num_classes", "4", "at least 5 different"),
    ("data.num_blocks=401", "data.num_classes / data.num_blocks", "1600 / 401", "at least 4"),
    (
        "data.num_common_classes=0 evaluation.conditions=[no_support_common]",
        "data.num_common_classes",
        "0",
        "at least 2 different classes",
    ),
    (
        "data.num_common_classes=1599 evaluation.conditions=[no_support_rare]",
        "data.num_classes - data.num_common_classes",
        "1600 - 1599",
        "at least 2 different classes",
    ),
    (
        "data.num_common_classes=1700 evaluation.conditions=[fewshot_rare]",
        "data.num_classes - data.num_common_classes",
        "1600 - 1700",
        "at least 2",
    ),
    (
        "data.num_common_classes=9 data.num_classes=5 evaluation.conditions=[fewshot_common] "
        "evaluation.ways=6",
        "evaluation.ways",
        "6",
        "at most 5 for fewshot_common, by data.num_classes = 5",
    ),
    (
        "data.num_classes=8 evaluation.conditions=[no_support_distinct]",
        "data.num_classes",
        "8",
        "9",
    ),
    (
        "data.num_classes=4 evaluation.conditions=[flip] evaluation.ways=5",
        "evaluation.ways",
        "5",
        "at most 4",
    ),
    # Ways are two of the four common classes at most, and the others two: one is missing.
    (
        f"{used('kind:bursty,classes:common,others:train')} data.num_common_classes=4 "
        "data.p_relevant=0.5",
        "data.num_common_classes",
        "4",
        "at least 5",
    ),
    (
        f"{used('kind:bursty,classes:train,others:common')} data.num_common_classes=3",
        "data.num_common_classes",
        "3",
        "at least 4",
    ),
    (
        f"{used('kind:bursty,classes:common,distinct:false')} data.num_common_classes=0",
        "data.num_common_classes",
        "0",
        "at least 1",
    ),
    (
        f"{used('kind:bursty,others:common,distinct:false')} data.num_common_classes=0",
        "data.num_common_classes",
        "0",
        "at least 1",
    ),
    (
        "data.distinct_classes=false data.p_relevant=0.9 data.num_classes=4",
        "data.num_classes",
        "4",
        "at least 5",
    ),
    # Labels enough.
    (
        "data.num_meanings=2 data.label_multiplicity=1 evaluation.ways=3 "
        "evaluation.conditions=[fewshot_train]",
        "evaluation.ways",
        "3 labels",
        "at most 2",
    ),
    (
        f"{used('kind:bursty,pattern:[2,2,2,2],labels:assigned')} data.num_meanings=3 "
        "data.label_multiplicity=1",
        "data.families.x",
        "4 labels",
        "at most 3",
    ),
    (
        f"{used('kind:few_shot,shots:2,ways:4')} data.num_meanings=4 data.label_multiplicity=1 "
        "data.p_relevant=0.5",
        "data.families.x.ways",
        "4 labels",
        "at most 3",
    ),
    (used("kind:bursty,labels:assigned"), "data.families.x.labels", "assigned", "more than once"),
    (
        used("kind:bursty,labels:flipped,pattern:[1,1,1,1,1,1,1,1]"),
        "data.families.x.pattern",
        "ways = 1",
        "2",
    ),
    (
        "data.families.x={kind:few_shot,labels:flipped,ways:1} evaluation.conditions=[x]",
        "data.families.x.ways",
        "1",
        "at least 2",
    ),
    ("model.positions={kind:learned,max_tokens:16}", "model.positions.max_tokens", "16", "17"),
    (
        "model.positions={kind:learned,max_tokens:20} data.families.x={kind:few_shot,ways:6} "
        "evaluation.conditions=[x]",
        "model.positions.max_tokens",
        "20",
        "at least 49",
    ),
    ("model.positions={kind:shifted,size:16}", "model.positions.size", "16", "at least 17"),
    ("model.positions={kind:shifted,size:64}", "model.positions.size", "64", "below model.width"),
    (
        "model.labels=one_hot model.width=64",
        "model.labels",
        "one_hot, of 6492 labels",
        "table, fixed",
    ),
    ("model.label_dim=5", "model.label_dim", "5", "model.tokens = concatenated"),
    ("model.tokens=concatenated model.label_dim=64", "model.label_dim", "64", "below 64"),
    ("model.readout=tied model.head=[32]", "model.readout", "tied", "free"),
    ("model.readout=tied model.tokens=concatenated", "model.readout", "tied", "free"),
    (
        "model.tokens=concatenated training.interim_weight=0.5",
        "training.interim_weight",
        "0.5",
        "model.tokens = concatenated",
    ),
    (
        "model.positions={kind:rotary} model.width=24",
        "model.num_heads",
        "8",
        "even part of model.width = 24",
    ),
    ("model.embedder={kind:identity}", "model.embedder.kind", "784 numbers", "exemplars 64"),
    (used("kind:bursty,labels:flipped,pattern:[8]"), "data.families.x.pattern", "ways = 1", "2"),
    (f"{used('kind:bursty,labels:flipped')} data.ways=1", "data.ways", "1", "at least 2"),
    (
        "data.num_permuted_labels=3 data.mixture.bursty_permuted=1",
        "data.num_permuted_labels",
        "3",
        "at least 4 for bursty_permuted",
    ),
    (
        "data.num_permuted_labels=9 data.num_holdout_pairs=1 data.mixture.bursty_permuted=1",
        "data.num_holdout_pairs",
        "1",
        "0 for bursty_permuted",
    ),
    (
        "data.num_permuted_labels=9 data.num_holdout_pairs=1 data.p_relevant=0.5 "
        + used("kind:bursty,pattern:[4,4],labels:permuted"),
        "data.num_holdout_pairs",
        "1",
        "0 for x, whose sequences have 3 classes",
    ),
    (
        "evaluation.conditions=[fewshot_holdout_pairs]",
        "data.num_holdout_pairs",
        "0",
        "at least 1",
    ),
    (
        "data.num_meanings=9 evaluation.conditions=[fewshot_uniform_labels]",
        "data.num_meanings",
        "9",
        "null for fewshot_uniform_labels",
    ),
    (
        f"{asked('kind:bursty,labels:rare')} data.num_common_classes=1598",
        "data.num_classes - data.num_common_classes",
        "1600 - 1598",
        "at least 4 different labels for x",
    ),
    # Labels that differ.
    ("data.drift_rate=0.5 evaluation.conditions=[flip]", "data.drift_rate", "0.5", "0 for flip"),
    (
        "data.drift_rate=0.5 evaluation.conditions=[fewshot_common_labels]",
        "data.drift_rate",
        "0.5",
        "0 for fewshot_common_labels",
    ),
    (
        f"{used('kind:bursty,distinct_labels:true')} data.distinct_classes=false",
        "data.distinct_classes",
        "false",
        "true",
    ),
    (
        used("kind:bursty,labels:flipped,distinct:false"),
        "data.families.x.distinct",
        "false",
        "true",
    ),
    (
        f"{used('kind:bursty,distinct_labels:true')} data.num_meanings=2",
        "data.num_meanings",
        "2",
        "4",
    ),
    (
        f"{used('kind:bursty,distinct_labels:true')} data.num_meanings=4 data.p_relevant=0.5",
        "data.num_meanings",
        "4",
        "at least 5",
    ),
    (
        f"{used('kind:bursty,distinct_labels:true,classes:common')} data.num_meanings=4",
        "data.families.x.classes",
        "common",
        "train, uniform, novel",
    ),
    (
        f"{used('kind:bursty,distinct_labels:true,others:rare')} data.num_meanings=4",
        "data.families.x.others",
        "rare",
        "null",
    ),
    (
        "data.num_meanings=4 data.zipf_exponent=1.5 evaluation.conditions=[flip]",
        "data.zipf_exponent",
        "1.5",
        "0 for flip",
    ),
    (
        f"{used('kind:bursty,distinct_labels:true')} data.num_meanings=4 data.num_blocks=2",
        "data.num_blocks",
        "2",
        "1 for x",
    ),
    (
        "data.num_meanings=7 evaluation.conditions=[flip]",
        "data.num_classes",
        "1600",
        "multiples of num_meanings 7",
    ),
]


@pytest.mark.parametrize(
    ("settings", "field", "value", "allowed"), CHECKS, ids=[check[0] for check in CHECKS]
)
def test_settings_that_do_not_go_together_are_told_in_one_line(settings, field, value, allowed):
    # Without blanks for brevity, which YAML wants after a colon.
    (line,) = errors(*(word.replace(":", ": ") for word in settings.split()))
    before, _, after = line.partition("; allowed")
    assert line.startswith(field)
    assert value in before
    assert allowed in after


@pytest.mark.parametrize(
    ("settings", "fields"),
    [
        # Of a family that cannot be read, nothing else is told.
        ("data.families.x.kind=foo data.mixture.x=1", ["data.families.x.kind"]),
        ("data.families.x=3 evaluation.conditions=[x]", ["data.families.x"]),
        ("data.families=3 data.mixture.x=1", ["data.families"]),
        (
            "data.families.X1.pattern=[0] data.families.X1.kind=bursty",
            ["data.families.X1.pattern.0"],
        ),
        ("data.mixture.bursty=-1 data.mixture.foo=1", ["data.mixture.bursty", "data.mixture.foo"]),
        (
            "evaluation.conditions=[3] data.shots=9",
            ["data.shots * data.ways", "evaluation.conditions.0"],
        ),
        ("data.families.x.foo=3 data.families.x.kind=bursty", ["data.families.x.foo"]),
        ("data.families.x.pattern=3 data.families.x.kind=bursty", ["data.families.x.pattern"]),
        (
            "data.families.x.classes=all data.families.x.kind=bursty data.mixture.foo=1",
            ["data.families.x.classes", "data.mixture.foo"],
        ),
        # Each family that a mistake concerns is told.
        (
            "data.num_holdout_classes=0 evaluation.conditions=[fewshot_holdout,no_support,"
            "fewshot_unused_labels]",
            ["data.num_holdout_classes", "data.num_holdout_classes", "data.num_holdout_classes"],
        ),
        ("data.source.kind=markov", ["evaluation.conditions"] * 3 + ["model.embedder.kind"]),
    ],
)
def test_mistakes_in_tables_and_lists(settings, fields):
    lines = errors(*(settings.split()))
    assert len(lines) == len(set(lines))
    assert fields_of(lines) == fields
    assert all("allowed" in line for line in lines)


def test_families_of_ones_own_from_the_command_line(tmp_path: Path):
    overrides = [
        "data.mixture.x=1",
        "data.families.x.pattern=[3,3,1,1]",
        "data.families.x.kind=bursty",
        "data.mixture.independent=0.5",
        "data.families.y={kind: few_shot, ways: 3, labels: uniform}",
        "data.families.y.order=blocked",
        "evaluation.conditions=[train, x, y, no_support]",
    ]
    config = load_config(QUICKSTART, overrides)
    assert config.data.weights == {"x": 2 / 3, "independent": 1 / 3}
    assert config.data.family("x").pattern == (3, 3, 1, 1)
    assert config.data.family("y").order == "blocked"
    assert config.data.family("flip") is NAMED["flip"]
    path = tmp_path / "config.yaml"
    path.write_text(dump_config(config))
    assert load_config(path) == config
    other = load_config(path, ["data.families.y.kind=independent"])  # order is dropped, say
    assert other.data.family("y").model_dump()["kind"] == "independent"
    assert differences(config, load_config(path, ["data.mixture.x=3"])) == [
        "data.mixture.x = 3.0, was 1.0"
    ]


def test_an_unknown_setting_is_told_with_those_that_exist():
    (line,) = errors("data.p_burstiness=1")
    assert line.startswith("data.p_burstiness: unknown setting")
    assert "p_bursty" in line
    (line,) = errors("training.optimizer.kind=sgd")
    assert line.startswith("training.optimizer")


def test_all_mistakes_are_told_at_once_those_between_fields_too():
    lines = errors("seed=-1", "data.p_bursty=2", "data.ways=5", "model.num_heads=7", "x=1")
    fields = ["seed", "data.p_bursty", "data.shots * data.ways", "model.num_heads", "x"]
    assert sorted(fields_of(lines)) == sorted(fields)


def test_mistakes_between_branches_are_told_beside_those_within():
    lines = errors("data.shots=9", "model.num_heads=7", "evaluation.ways=50", "seed=-1")
    fields = ["seed", "data.shots * data.ways", "model.num_heads", "evaluation.ways"]
    assert fields_of(lines) == fields


def test_an_empty_branch_in_a_file_can_be_filled(tmp_path: Path):
    (tmp_path / "config.yaml").write_text("data:\n")
    assert load_config(tmp_path / "config.yaml", ["data.p_bursty=0.5"]).data.p_bursty == 0.5


@pytest.mark.parametrize("text", ["data.p_bursty", "=1", "data..p_bursty=1", "seed.x=1"])
def test_an_override_that_is_none_is_refused(text: str):
    (line,) = errors(text)
    assert "allowed" in line or "unknown" in line


@pytest.mark.parametrize(
    "content",
    ["seed: [", "- 1\n- 2", "\x00", "just words", "seed: 1\nseed: 2", "seed: 2020-99-99", "1: 2"],
    ids=["broken", "list", "nul", "text", "twice", "date", "number"],
)
def test_a_file_that_is_no_config_is_refused(tmp_path: Path, content: str):
    path = tmp_path / "config.yaml"
    path.write_text(content)
    with pytest.raises(UserError, match=r"config\.yaml") as caught:
        load_config(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(UserError, match=r"nowhere\.yaml: cannot be read \(No such file"):
        load_config(tmp_path / "nowhere.yaml")


def test_a_new_kind_keeps_the_settings_it_shares_and_drops_the_others():
    config = load_config(
        QUICKSTART,
        ["data.source.size=20", "data.source.num_classes=2000", "data.source.kind=omniglot"][2:],
    )
    assert config.data.source.model_dump() == {"kind": "omniglot", "size": 28}
    config = load_config(QUICKSTART, ["model.embedder.channels=[4]", "model.embedder.kind=conv"])
    assert config.model.embedder.model_dump() == {"kind": "conv", "channels": (4,)}


def test_tables_can_be_named_once_and_their_settings_replaced(tmp_path: Path):
    path = tmp_path / "grid.yaml"
    path.write_text(
        "base: {}\ngrid: {seed: [0]}\nclaims:\n"
        "  - &one {kind: above, text: one, condition: no_support, metric: loss, threshold: 1}\n"
        "  - {<<: *one, text: two}\n"
    )
    one, two = load_sweep(path).config.claims
    assert (one.text, two.text) == ("one", "two")
    assert one.model_dump(exclude={"text"}) == two.model_dump(exclude={"text"})


def test_numbers_in_exponent_notation_are_numbers():
    assert load_config(QUICKSTART, ["training.learning_rate=1e-4"]).training.learning_rate == 1e-4


def test_differences_name_each_field():
    old, new = load_config(QUICKSTART), load_config(QUICKSTART, ["seed=1", "data.p_bursty=0"])
    assert differences(old, old) == []
    assert differences(old, new) == [
        "seed = 1, was 0",
        f"data.p_bursty = 0.0, was {old.data.p_bursty}",
    ]
