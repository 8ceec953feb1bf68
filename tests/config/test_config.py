"""Configs: what is accepted, what is refused, and what mistakes are named."""

from pathlib import Path

import pytest

from icl.config import AnyConfig
from icl.config.families import NAMED
from icl.config.grid import load_sweep
from icl.config.yaml import differences, dump_config, load_config

from ..conftest import ALL_CONFIGS, QUICKSTART, is_grid
from ..messages import check_line, errors, fields_of, refused

GRIDS = [path for path in ALL_CONFIGS if is_grid(path)]
CONFIGS = [path for path in ALL_CONFIGS if path not in GRIDS]


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
    "mistake",
    [
        ("data.p_bursty=1.5", "data.p_bursty = 1.5", "0", "1"),
        ("data.p_bursty=.nan", "data.p_bursty = nan", "0", "1"),
        ("data.p_bursty=often", 'data.p_bursty = "often"', "0", "1"),
        ("data.zipf_exponent=-1", "data.zipf_exponent = -1", "0"),
        ("data.num_classes=2.5", "data.num_classes = 2.5", "2"),
        (
            "data.num_classes=1601",
            "data.num_classes + data.num_holdout_classes = 1601 + 23",
            "1623",
        ),
        ("data.num_classes=3", "data.num_classes = 3", "4"),
        ("data.num_exemplars=21", "data.num_exemplars = 21", "20"),
        ("data.num_holdout_classes=0", "data.num_holdout_classes = 0", "2"),
        ("data.num_holdout_classes=1", "data.num_holdout_classes = 1", "2"),
        ("evaluation.ways=24", "evaluation.ways = 24", "23", "fewshot_holdout"),
        ("data.ways=3", "data.shots * data.ways = 3 * 3 = 9", "data.context_len = 8"),
        ("data.source.kind=cifar", "data.source.kind = cifar", "omniglot, glyphs"),
        ("model.kind=perceptron", "model.kind = perceptron", "transformer, rnn"),
        ("model.num_heads=7", "model.num_heads = 7", "model.width = 64"),
        ("model={kind: transformer, width: 63, num_heads: 9}", "model.width = 63"),
        ("training.learning_rate=0", "training.learning_rate = 0", "1e-30"),
        ("training.learning_rate=inf", 'training.learning_rate = "inf"', "1e-30"),
        ("training.clip_norm=-1", "training.clip_norm = -1", "1e-30", "null"),
        ("training.num_steps=true", "training.num_steps = true", "1", "2147483648"),
        ("evaluation.every=0", "evaluation.every = 0", "1"),
        ("evaluation.conditions=[icl]", "evaluation.conditions.0 = icl", "train, bursty"),
        ("evaluation.conditions=[3]", "evaluation.conditions.0 = 3"),
        ("evaluation.conditions=[]", "evaluation.conditions = []", "1"),
        ("evaluation.conditions=no_support", "evaluation.conditions = no_support", "[a, b]"),
        (
            "evaluation.conditions=[no_support, no_support]",
            "evaluation.conditions = ['no_support', 'no_support']",
        ),
        ("evaluation.shots=400", "evaluation.shots * evaluation.ways = 400 * 2", "512"),
        ("model.embedder={kind: conv, channels: [0]}", "model.embedder.channels.0 = 0", "1"),
        ("model.embedder=linear", "model.embedder = linear", "kind (conv, identity, linear, mlp"),
        ("data.source={}", "data.source.kind: missing", "glyphs, markov, omniglot"),
        ("data.source=null", "data.source = null", "kind (features"),
        ('data.source.kind="a\\nb"', "data.source.kind = a b", "omniglot"),
        ("data.mixture=3", "data.mixture = 3"),
        ("data.families=3", "data.families = 3"),
        ("data.families.x=3", "data.families.x = 3", "kind (bursty, few_shot"),
        ("data.families.x={}", "data.families.x.kind: missing", "bursty, few_shot"),
        ("data.mixture.bursty=-1", "data.mixture.bursty = -1", "0"),
        ("data.mixture.bursty=.inf", "data.mixture.bursty = inf", "0"),
        (f"data.p_bursty={'1' * 500}", f"data.p_bursty = {'1' * 100}...", "1"),
        ("seed=2020-13-45", 'seed = "2020-13-45"', "whole number"),
        ("seed=!!int foo", "seed = !!int foo", "YAML"),
        ("data={1: 2}", "data = {1: 2}", "YAML"),
        ("data={p_bursty: 0, p_bursty: 1}", "data = {p_bursty: 0, p_bursty: 1}", "YAML"),
        ("data=3", "data = 3", "source, context_len"),
    ],
    ids=lambda mistake: mistake[0][:60],
)
def test_one_line_names_the_field_the_value_and_the_bound(mistake: tuple[str, ...]):
    override, subject, *others = mistake
    (line,) = errors(override)
    check_line(line, subject, *others)


@pytest.mark.parametrize(
    ("settings", "fields"),
    [
        # A family that cannot be read is the one mistake.
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
        # One line for each family that has the mistake.
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
    assert all("; " in line for line in lines)  # what is allowed follows


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


def test_an_unknown_setting_is_named_with_those_that_exist():
    (line,) = errors("data.p_burstiness=1")
    check_line(line, "data.p_burstiness", "p_bursty")
    (line,) = errors("training.optimizer.kind=sgd")
    check_line(line, "training.optimizer")


def test_all_mistakes_are_named_at_once_those_between_fields_too():
    lines = errors("seed=-1", "data.p_bursty=2", "data.ways=5", "model.num_heads=7", "x=1")
    fields = ["seed", "data.p_bursty", "data.shots * data.ways", "model.num_heads", "x"]
    assert sorted(fields_of(lines)) == sorted(fields)


def test_mistakes_between_branches_are_named_beside_those_within():
    lines = errors("data.shots=9", "model.num_heads=7", "evaluation.ways=50", "seed=-1")
    fields = ["seed", "data.shots * data.ways", "model.num_heads", "evaluation.ways"]
    assert fields_of(lines) == fields


def test_an_empty_branch_in_a_file_can_be_filled(tmp_path: Path):
    (tmp_path / "config.yaml").write_text("data:\n")
    assert load_config(tmp_path / "config.yaml", ["data.p_bursty=0.5"]).data.p_bursty == 0.5


@pytest.mark.parametrize("text", ["data.p_bursty", "=1", "data..p_bursty=1", "seed.x=1"])
def test_an_override_that_is_none_is_refused(text: str):
    (line,) = errors(text)
    if text == "seed.x=1":
        check_line(line, "seed.x", "seed")
    else:
        check_line(line, text, "KEY=VALUE")


@pytest.mark.parametrize(
    "content",
    ["seed: [", "- 1\n- 2", "\x00", "just words", "seed: 1\nseed: 2", "data: &a [*a]", "1: 2"],
    ids=["broken", "list", "nul", "text", "twice", "alias", "number"],
)
def test_a_file_that_is_no_config_is_refused(tmp_path: Path, content: str):
    path = tmp_path / "config.yaml"
    path.write_text(content)
    with refused("config.yaml"):
        load_config(path)


def test_a_missing_file_is_named(tmp_path: Path):
    with refused("nowhere.yaml", "No such file"):
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
