"""Whatever a user may ask for is sampled as asked, or refused in lines that name a field.

Configs are made at random, extreme and inconsistent values among them. Compiling the sampler of
each would take hours, so that two different things are tried:
- 300 configs of any kind are validated, of which about a fifth are valid: either UserError says
  what is wrong, or families, conditions and knobs are made of them. No sequence is drawn.
- NUM_PROGRAMS configs of random structure (families, conditions, options on or off) are compiled,
  for training and for their conditions, and each program is given up to NUM_SETTINGS random valid
  settings of all that it takes as knobs: some 150 configs, BATCH sequences of each family, every
  one of them held against `invariants.py`.
Files of features and Omniglot are not among the sources, as they are sampled like glyphs.
"""

import copy
import functools
import random
import re
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from icl.config import DataConfig, EvaluationConfig, ExperimentConfig
from icl.config.families import NAMED
from icl.config.networks import TransformerConfig
from icl.config.yaml import dump_config, parse_config
from icl.config.yaml_text import read_yaml
from icl.data.batches import at_step, draw_indices, in_block, look_up
from icl.data.families import make_families
from icl.data.knobs import make_knobs
from icl.data.sources.gaussian import make_gaussian
from icl.data.sources.on_device import exemplars_in_use, put_on_device
from icl.data.sources.symbols import make_symbols
from icl.errors import UserError
from icl.evaluation.conditions import make_conditions
from icl.types import ExemplarBank, IndexSequence

from .drawing import QUICKLY
from .invariants import Drawn, Setting, check

SOURCES_OF_PROGRAMS = ["glyphs", "gaussian", "glyphs", "symbolic"] * 2 + ["markov"]
NUM_PROGRAMS = len(SOURCES_OF_PROGRAMS)
NUM_SETTINGS = 20
BATCH = 12
POOLS = ["train", "uniform", "common", "rare", "common_zipfian", "rare_zipfian", "holdout", "novel"]
LABELS = [
    "own", "flipped", "assigned", "permuted", "holdout_pairs",
    "uniform", "train", "common", "rare", "holdout",
]  # fmt: skip
WRONG = [-1, 0, 10**9, 10**30, 1.5, "x", None, [], {}, True, float("nan"), "", "train", [0], [600]]
PATTERNS = [[3, 3, 1, 1], [4, 4], [2, 2, 2, 2], [1] * 8, [5, 2, 1], [8], [2, 1, 3, 1, 1], [1, 4, 3]]

# What a value of each setting may be. Of data, those that change no program are knobs.
KNOBS: dict[str, list[Any]] = {
    "num_classes": [2, 4, 5, 6, *[8, 9, 12, 16, 16, 18, 20] * 3, 24],
    "num_common_classes": [0, 1, *[2, 4, 5, 7] * 3, 10, 30],
    "num_holdout_classes": [0, 1, *[2, 4, 6] * 3, 8],
    "zipf_exponent": [0.0, 0.0, 1.0, 2.5, 5.0],
    "split_seed": [0, 1, 2**32 - 1],
    "label_multiplicity": [1, 2, 3, 1024],
    "num_exemplars": [None, None, 1, 2, 5, 6],
    "num_holdout_exemplars": [0, 1, 2, 5],
    "block_steps": [1, 7, 1000, 2**31 - 1],
}
OPTIONS: dict[str, list[Any]] = {
    "num_blocks": [2, 3, 5],
    "num_meanings": [2, 4, 8, 40],
    "num_permuted_labels": [2, 4, 5, 9],
    "num_holdout_pairs": [1, 3, 9],
    "drift_rate": [1e-9, 0.01, 1.0],
    "label_noise": [0.3, 0.9, 1.0],
    "cue_reliability": [0.0, 0.3, 0.9],
    "p_relevant": [0.0, 0.3, 0.9],
    "p_matched_exemplar": [0.3, 0.9, 1.0],
    "p_copied_exemplar": [0.3, 0.9, 1.0],
    "noise_scale": [0.1, 10.0],
    "num_sequences": [1, 100],
    "random_rare_exemplars": [True],
}
STATIC: dict[str, list[Any]] = {
    "distinct_classes": [True, True, False],
    "exemplars": ["all", "single", "separated"],
    "flips_and_rotations": [False, False, False, True],
    "context_len": [8, 8, 8, 1, 4, 9],
    "shots": [1, 2, 3, 3, 4],
    "ways": [1, 2, 2, 3, 4],
}


def make_source(pick: random.Random, kind: str | None) -> dict[str, Any]:
    sizes = {"num_classes": pick.choice([24, 24, 30, 5]), "size": 8}
    sources = [
        {"kind": "glyphs", "num_exemplars": pick.choice([1, 4, 6]), **sizes},
        {"kind": "glyphs", "num_exemplars": 10, **sizes},
        {"kind": "glyphs", "num_exemplars": 12, **sizes},
        {"kind": "gaussian", "dim": 3},
        {"kind": "gaussian", "dim": 1, "spread": 0.0},
        {"kind": "symbolic", "num_classes": pick.choice([24, 40, 7])},
        {"kind": "markov", "num_symbols": pick.choice([2, 5]), "num_chains": None},
        {"kind": "markov", "num_symbols": 3, "num_chains": pick.choice([1, 9])},
    ]
    return pick.choice([source for source in sources if kind in (None, source["kind"])])


def make_own_family(pick: random.Random) -> dict[str, Any]:
    """A family of the user's own, each of its settings there or not."""
    kind = pick.choice(["bursty", "bursty", "few_shot", "independent", "markov"])
    support = pick.choice(["any", "always", "never", "never"])
    choices: dict[str, list[Any]] = {
        "bursty": {
            "pattern": PATTERNS,
            "classes": POOLS,
            "others": [None, *POOLS],
            "labels": LABELS,
            "order": ["shuffled", "grouped", "blocked"],
            "distinct": [None, True, False],
            "distinct_labels": [True, False],
            "exemplars": ["train", "train", "holdout"],
        },
        "few_shot": {
            "shots": [None, 1, 2, 4],
            "ways": [None, 1, 2, 4],
            "classes": POOLS,
            "labels": LABELS,
            "order": ["shuffled", "grouped", "blocked"],
            "exemplars": ["train", "train", "holdout"],
        },
        "independent": {
            "context_len": [None, 8, 3],
            "classes": POOLS,
            "support": [support],
            "distinct": [support == "never"],
            "copy_label": [support == "never", False],
            "exemplars": ["train", "train", "holdout"],
        },
        "markov": {"context_len": [None, 8, 3], "chains": ["train", "novel"]},
    }[kind]
    return {"kind": kind} | {
        option: pick.choice(values) for option, values in choices.items() if pick.random() < 0.4
    }


def make_static(pick: random.Random, kind: str | None = None) -> dict[str, Any]:
    """What decides a program: data and evaluation but for the values of knobs."""
    source = make_source(pick, kind)
    own = {name: make_own_family(pick) for name in pick.sample("xyz", pick.randrange(4))}
    is_markov = source["kind"] == "markov"
    tested = [name for name in NAMED if ("markov" in name) == is_markov]
    tested += [name for name in own if (own[name]["kind"] == "markov") == is_markov] * 4
    trained = [name for name in tested if pick.random() < 0.1 or could_train(name, own)]
    data: dict[str, Any] = {"source": source, "families": own}
    if pick.random() < 0.8:
        data["mixture"] = dict.fromkeys(pick.choices(trained or ["bursty"], k=2), 1.0)
    elif not is_markov:
        data["non_bursty"] = pick.choice(trained or ["supported"])
    for field, values in STATIC.items():
        if pick.random() < 0.2:
            data[field] = pick.choice(values)
    for field in pick.sample(sorted(OPTIONS), pick.randrange(5)):
        data[field] = None
    if pick.random() < 0.5:  # else a few-shot context is of six items and not of eight
        data |= {"shots": 4, "ways": 2}
    conditions = list(dict.fromkeys(pick.choices([*tested, "train"], k=2)))
    evaluation = {"conditions": conditions, "shots": pick.choice([1, 2, 4]), "ways": 2}
    return {"data": data, "evaluation": evaluation}


def could_train(name: str, own: dict[str, Any]) -> bool:
    """Roughly: nothing of it is held out, or without end."""
    text = str(own[name]) if name in own else str(NAMED[name])
    return "holdout" not in text and "novel" not in text


def make_tree(pick: random.Random, static: dict[str, Any]) -> dict[str, Any]:
    """A config with values for all knobs, as it would be read from a file."""
    static = copy.deepcopy(static)
    data, kind = static["data"], static["data"]["source"]["kind"]
    single = kind in ("symbolic", "markov") or data.get("exemplars", "all") != "all"
    for field, values in KNOBS.items():
        if pick.random() < 0.8 and not (single and "exemplars" in field):
            data[field] = pick.choice(values)
    for field in OPTIONS:
        if field in data:
            data[field] = pick.choice(OPTIONS[field])
    if "mixture" in data:
        data["mixture"] = {name: pick.choice([1.0, 1.0, 0.0, 0.3]) for name in data["mixture"]}
    embedder = {"symbolic": "table", "markov": "one_hot"}.get(kind, "linear")
    model = {"kind": "transformer", "embedder": {"kind": embedder}}
    return {"data": data, "model": model, "evaluation": static["evaluation"]}


def spoil(pick: random.Random, tree: dict[str, Any]) -> None:
    """Give a setting somewhere a value that it cannot, or may not, have."""
    while True:
        if isinstance(tree, list) or not tree:
            return
        key = pick.choice(sorted(tree))
        if not isinstance(tree[key], dict) or pick.random() < 0.2:
            tree[pick.choice([key, key, key, "other"])] = pick.choice(WRONG)
            return
        tree = tree[key] = dict(tree[key])


@functools.cache
def maker(source: Any) -> Any:
    """What the source would give; of images, the number of the class in every pixel."""
    if source.kind == "gaussian":
        return make_gaussian(source)
    if source.kind in ("symbolic", "markov"):
        return make_symbols(source)
    shape = (source.num_classes, source.num_exemplars, *source.shape)
    classes = (np.arange(source.num_classes) % 256).astype(np.uint8).reshape(-1, 1, 1, 1)
    return ExemplarBank(np.broadcast_to(classes, shape).copy(), ("",) * source.num_classes)


def parse(tree: dict[str, Any]) -> tuple[ExperimentConfig | None, tuple[str, ...]]:
    try:
        return parse_config(tree), ()
    except UserError as error:
        return None, error.args


BRANCHES = {"data": DataConfig, "evaluation": EvaluationConfig, "model": TransformerConfig}


def names_a_setting(line: str) -> bool:
    if "unknown setting" in line:
        return True
    branch, *rest = re.match(r"[\w.]*", line)[0].split(".")
    return branch in BRANCHES and (not rest or rest[0] in BRANCHES[branch].model_fields)


@settings(
    max_examples=300,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(seed=st.integers(0, 2**32))
def test_any_config_is_valid_or_refused_in_lines_that_name_a_field(seed):
    pick = random.Random(seed)
    tree = make_tree(pick, make_static(pick))
    for _ in range(pick.choice([0, 0, 0, 1, 2])):
        spoil(pick, tree)
    config, lines = parse(tree)
    if config is None:
        assert 0 < len(lines) == len(set(lines))
        for line in lines:
            assert "; " in line, line  # what is allowed follows
            assert line.isprintable()
            assert names_a_setting(line), line
        return
    assert parse_config(read_yaml(dump_config(config))) == config
    exemplars = put_on_device(config.data, maker(config.data.source))
    in_use = exemplars_in_use(config.data, exemplars)
    assert in_use >= 1
    make_families(config.data)
    make_conditions(config.data, config.evaluation)
    make_knobs(config.data, exemplars.num_classes, in_use)


# Programs and the settings that they are given.


class Program(NamedTuple):
    """steps: of training made, for each of the configs."""

    configs: list[ExperimentConfig]
    steps: list[int]


def structure(config: ExperimentConfig) -> Any:
    """What is compiled in, where the same options are on: those that share it share a program."""
    data = config.data
    families = make_families(data), make_conditions(data, config.evaluation)
    pairs = data.num_holdout_pairs and (data.num_permuted_labels or data.num_trained_labels)
    return [list(part.items()) for part in families], pairs


@functools.cache
def make_programs() -> list[Program]:
    pick, programs = random.Random(0), []
    while len(programs) < NUM_PROGRAMS:
        static = make_static(pick, SOURCES_OF_PROGRAMS[len(programs)])
        configs: list[ExperimentConfig] = []
        for tries in range(3 * NUM_SETTINGS):
            config, _ = parse(make_tree(pick, static))
            if config and (not configs or structure(config) == structure(configs[0])):
                configs.append(config)
            if len(configs) == NUM_SETTINGS or (tries > 5 and not configs):
                break
        if len(configs) >= NUM_SETTINGS // 4:
            programs.append(Program(configs, pick.choices([0, 1, 50, 12345], k=len(configs))))
    return programs


@pytest.mark.parametrize("number", range(NUM_PROGRAMS))
def test_what_is_valid_is_sampled_as_asked(number):
    configs, steps = make_programs()[number]
    train = make_families(configs[0].data)["train"]
    conditions = make_conditions(configs[0].data, configs[0].evaluation)

    bank = put_on_device(configs[0].data, maker(configs[0].data.source))

    @functools.partial(jax.jit, compiler_options=QUICKLY)
    def draw(key, knobs, arrays):
        trained = draw_indices(key, train, in_block(knobs), BATCH)
        tested = {
            name: draw_indices(key, family, knobs, BATCH) for name, family in conditions.items()
        }
        return trained, tested, look_up(key, trained, bank, arrays, knobs).exemplars

    for i, (config, step) in enumerate(zip(configs, steps, strict=True)):
        exemplars = put_on_device(config.data, maker(config.data.source))
        in_use = exemplars_in_use(config.data, exemplars)
        knobs = at_step(make_knobs(config.data, exemplars.num_classes, in_use), jnp.int32(step))
        drawn = draw(jax.random.key(i), knobs, exemplars.arrays)
        trained, tested, items = jax.tree.map(np.asarray, drawn)
        assert np.isfinite(items).all()
        assert items.shape == (*trained.classes.shape, *config.data.source.shape)
        setting = Setting(config.data, None, exemplars.num_classes, in_use, step)
        hold(config, setting, trained, tested)


def hold(
    config: ExperimentConfig,
    setting: Setting,
    trained: IndexSequence,
    tested: dict[str, IndexSequence],
) -> None:
    """Hold each sequence against the settings of its family."""
    data = config.data
    names = list(data.weights)
    for drawn in sequences(trained):
        name = names[drawn.family]
        assert data.weights[name] > 0
        check(drawn, data.family(name), setting)
    for condition, batch in tested.items():
        for drawn in sequences(batch):
            if condition == "train":  # of all blocks
                own = setting._replace(data=data.model_copy(update={"num_blocks": 1}))
                check(drawn, data.family(names[drawn.family]), own)
            else:
                own = setting._replace(evaluation=config.evaluation)
                check(drawn, data.family(condition), own)


def sequences(batch: IndexSequence) -> list[Drawn]:
    return [Drawn(*row) for row in zip(*(part.tolist() for part in batch), strict=True)]
