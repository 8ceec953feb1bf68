"""Configs: what is accepted, what is refused, and how a mistake is told."""

from pathlib import Path

import pytest

from icl.config import ExperimentConfig
from icl.errors import UserError
from icl.records.config_file import differences, dump_config, load_config

from .conftest import QUICKSTART

CONFIGS = sorted(QUICKSTART.parent.rglob("*.yaml"))


def errors(*overrides: str) -> tuple[str, ...]:
    with pytest.raises(UserError) as caught:
        load_config(QUICKSTART, list(overrides))
    return caught.value.args


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_loads(path: Path):
    assert isinstance(load_config(path), ExperimentConfig)


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
        ("data.num_holdout_classes=1", "evaluation.ways", "2", "at most"),
        ("data.ways=3", "data.shots * data.ways", "9", "at most data.context_len = 8"),
        ("data.source.kind=cifar", "data.source.kind", "cifar", "'omniglot', 'glyphs'"),
        ("model.kind=lstm", "model.kind", "lstm", "'transformer'"),
        ("model.num_heads=7", "model.num_heads", "7", "a divisor of model.width = 64"),
        ("model={width: 63, num_heads: 9}", "model.width", "63", "even"),
        ("training.learning_rate=0", "training.learning_rate", "0", "above 0"),
        ("training.learning_rate=inf", "training.learning_rate", "inf", "a number"),
        ("training.clip_norm=-1", "training.clip_norm", "-1", "above 0, or null"),
        ("training.num_steps=true", "training.num_steps", "True", "a whole number"),
        ("evaluation.every=0", "evaluation.every", "0", "at least 1"),
        ("evaluation.conditions=[icl]", "evaluation.conditions.0", "icl", "'no_support'"),
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
        ("model.embedder=linear", "model.embedder", "linear", "kind (conv, linear, mlp"),
        ("data.source={}", "data.source.kind", "missing", "glyphs, omniglot"),
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


def test_an_unknown_setting_is_told_with_those_that_exist():
    (line,) = errors("data.p_burstiness=1")
    assert line.startswith("data.p_burstiness: unknown setting")
    assert "p_bursty" in line
    (line,) = errors("training.optimizer.kind=sgd")
    assert line.startswith("training.optimizer")


def test_all_mistakes_are_told_at_once_those_between_fields_too():
    lines = errors("seed=-1", "data.p_bursty=2", "data.ways=5", "model.num_heads=7", "x=1")
    starts = ["seed", "data.p_bursty", "data.shots * data.ways", "model.num_heads", "x: unknown"]
    assert len(lines) == len(starts)
    for start in starts:
        assert any(line.startswith(start) for line in lines), start


def test_mistakes_between_branches_are_told_beside_those_within():
    lines = errors("data.shots=9", "model.num_heads=7", "evaluation.ways=50", "seed=-1")
    starts = ["seed", "data.shots * data.ways", "model.num_heads", "evaluation.ways"]
    assert [line.partition(" = ")[0] for line in lines] == starts


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


def test_numbers_in_exponent_notation_are_numbers():
    assert load_config(QUICKSTART, ["training.learning_rate=1e-4"]).training.learning_rate == 1e-4


def test_differences_name_each_field():
    old, new = load_config(QUICKSTART), load_config(QUICKSTART, ["seed=1", "data.p_bursty=0"])
    assert differences(old, old) == []
    assert differences(old, new) == [
        "seed = 1, was 0",
        f"data.p_bursty = 0.0, was {old.data.p_bursty}",
    ]
