"""Grids in files: what cells they stand for, and the mistakes that one line names."""

from pathlib import Path
from typing import Any

import pytest

from icl.config.grid import Sweep, dump_sweep, load_sweep, load_sweeps
from icl.config.sweeps import SweepConfig
from icl.config.traced import digest_of, program_of
from icl.config.whole import expand
from icl.config.yaml import dump_config, parse_config
from icl.config.yaml_text import dump_yaml, read_yaml
from icl.errors import UserError
from icl.records.sweep_directory import list_grids, sweep_of

from ..messages import refused

TASK = Path(__file__).parent.parent.parent / "configs" / "liu2023" / "base.yaml"
CLAIM = {
    "kind": "rises",
    "text": "ICL rises",
    "condition": "fewshot_holdout",
    "metric": "accuracy_in_context",
    "along": "data.p_bursty",
}


@pytest.fixture
def load(tmp_path: Path):
    """(entries of a grid file) -> the grid."""

    def load(*overrides: str, **entries: Any) -> Sweep:
        (tmp_path / "base.yaml").write_text("data: {num_classes: 50}\n")
        path = tmp_path / "grid.yaml"
        path.write_text(dump_yaml({"base": "base.yaml"} | entries))
        return load_sweep(path, list(overrides))

    return load


def test_axes_multiply_in_the_order_of_the_file_and_the_seed_comes_last(load):
    sweep = load(grid={"seed": [3, 4], "data.p_bursty": [0, 0.5], "data.zipf_exponent": [1]})
    assert [axis.name for axis in sweep.config.axes] == [
        "data.p_bursty",
        "data.zipf_exponent",
        "seed",
    ]
    settings = [(c.config.data.p_bursty, c.config.seed) for c in sweep.cells]
    assert settings == [(0, 3), (0, 4), (0.5, 3), (0.5, 4)]
    assert all(c.config.data.zipf_exponent == 1 for c in sweep.cells)
    assert all(c.config.data.num_classes == 50 for c in sweep.cells)


def test_zipped_knobs_vary_together_and_single_points_are_an_axis(load):
    sweep = load(
        zip=[{"training.learning_rate": [1e-3, 1e-4], "training.warmup_steps": [10, 100]}],
        cells=[
            {"data.p_bursty": 0.1, "data.label_multiplicity": 2},
            {"data.label_multiplicity": 1, "data.p_bursty": 1},
        ],
    )
    assert [axis.name for axis in sweep.config.axes] == ["training.learning_rate", "cell"]
    found = {
        (
            c.config.training.learning_rate,
            c.config.training.warmup_steps,
            c.config.data.p_bursty,
            c.config.data.label_multiplicity,
        )
        for c in sweep.cells
    }
    rates, points = [(1e-3, 10), (1e-4, 100)], [(0.1, 2), (1, 1)]
    assert found == {(*rate, *point) for rate in rates for point in points}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"linear": [0, 4, 5]}, [0, 1, 2, 3, 4]),
        ({"linear": [0, 1, 5]}, [0.0, 0.25, 0.5, 0.75, 1.0]),
        ({"linear": [5, 5, 1]}, [5]),
        ({"log": [1e-4, 1e-2, 3]}, [1e-4, 1e-3, 1e-2]),
        ([1, "a"], [1, "a"]),
    ],
)
def test_ranges(values, expected):
    assert expand(values) == expected
    assert [type(v) for v in expand(values)] == [type(v) for v in expand(expected)]


@pytest.mark.parametrize(
    ("knob", "values", "expected"),
    [
        ("model.width", {"log": [16, 64, 3]}, [16, 32, 64]),
        ("model.width", {"log": [16, 100, 3]}, [16, 40, 100]),
        ("training.warmup_steps", {"log": [10, 1e4, 4]}, [10, 100, 1000, 10_000]),
        ("training.warmup_steps", {"linear": [1e1, 2e1, 3]}, [10, 15, 20]),
        ("training.warmup_steps", [1e2, 20.0, 3], [100, 20, 3]),
        ("training.learning_rate", {"log": [1e-2, 1, 3]}, [0.01, 0.1, 1.0]),
        ("training.learning_rate", [1e0, 0.5], [1.0, 0.5]),
    ],
)
def test_values_of_whole_number_settings_are_whole(load, knob: str, values: Any, expected: list):
    base = {"model": {"kind": "gru"}}
    for axes in ({"grid": {knob: values}}, {"zip": [{knob: values}]}):
        sweep = load(base=base, **axes)
        points = [cell.settings[knob] for cell in sweep.cells]
        assert points == expected
        assert [type(point) for point in points] == [type(point) for point in expected]
    branch, field = knob.split(".")
    assert [getattr(getattr(cell.config, branch), field) for cell in sweep.cells] == expected
    assert load_sweep_text(dump_sweep(sweep)) == points


def load_sweep_text(text: str) -> list[Any]:
    """The values of the only knob in a resolved grid."""
    ((values,),) = (group.values() for group in read_yaml(text)["zip"])
    return values


def test_a_number_with_an_exponent_is_the_same_run(load, small_config):
    assert digest_of(small_config("training.num_steps=1e4")) == digest_of(
        small_config("training.num_steps=10000")
    )
    config = load(grid={"seed": [0]}, settings={"training.num_steps": 1e4}).cells[0].config
    assert repr(config.training.num_steps) == "10000"
    assert "num_steps: 10000\n" in dump_config(config)
    point = {"training.num_steps": 1e4, "training.learning_rate": 1e0}
    (cell,) = load(cells=[point]).cells
    assert repr(cell.settings) == "{'training.num_steps': 10000, 'training.learning_rate': 1.0}"
    channels = small_config("model.embedder={kind: conv, channels: [1e1, 2]}").model.embedder
    assert repr(channels.channels) == "(10, 2)"


@pytest.mark.parametrize(
    ("knob", "values", "named"),
    [
        ("seed", {"linear": [0, 3, 3]}, ["{'linear': [0, 3, 3]}, 0, 1.5, 3", "log"]),
        ("data.ways", {"log": [1, 3, 5]}, ["{'log': [1, 3, 5]}, 1, 1, 2, 2, 3 as whole numbers"]),
        ("data.ways", {"log": [1, 10**400, 5]}, ["{'log': [1, 1"]),
    ],
)
def test_a_range_without_whole_numbers_is_refused(load, knob: str, values: Any, named: list[str]):
    with pytest.raises(UserError) as caught:
        load(grid={knob: values})
    (line,) = caught.value.args
    assert line.startswith(f"grid.{knob} = {named[0]}")
    assert "; allowed" in line


@pytest.mark.parametrize(
    ("entry", "subject", "words"),
    [
        ({"grid": 3}, "grid = 3", "table of settings and lists"),
        ({"grid": None}, "grid = null", "table of settings and lists"),
        ({"zip": {"seed": [1]}}, "zip = {'seed': [1]}", "list of tables"),
        ({"zip": [3]}, "zip.0 = 3", "table of settings and lists"),
        ({"zip": [{"seed": 1}]}, "zip.0.seed = 1", "list such as [a, b]"),
        ({"cells": {"a": 1}}, "cells = {'a': 1}", "list of tables"),
        ({"cells": [1]}, "cells.0 = 1", "table of settings"),
        ({"claims": 3, "grid": {}}, "claims = 3", "docs/report.md#claims"),
        ({"base": [1], "grid": {}}, "base = [1]", "config file"),
        ({"settings": [1], "grid": {}}, "settings = [1]", "table of settings"),
    ],
)
def test_entries_of_another_kind_are_named_in_words(load, entry: dict, subject: str, words: str):
    with refused(subject, words):
        load(**entry)


def test_a_kind_may_be_an_axis_and_brings_its_own_settings(load):
    sweep = load(grid={"model.kind": ["transformer", "lstm"], "data.source.kind": ["gaussian"]})
    assert [c.config.model.kind for c in sweep.cells] == ["transformer", "lstm"]
    assert {c.config.data.source.kind for c in sweep.cells} == {"gaussian"}


def test_settings_and_the_command_line_take_the_place_of_the_bases(load):
    grid = {"data.p_bursty": [0, 1]}
    sweep = load(
        "grid.seed=[0, 1, 2]", "training.num_steps=7", grid=grid, settings={"data.ways": 1}
    )
    assert len(sweep.cells) == 6
    assert {c.config.training.num_steps for c in sweep.cells} == {7}
    assert {c.config.data.ways for c in sweep.cells} == {1}
    assert len(load("grid.data.p_bursty=[0.3]", grid=grid).cells) == 1


def test_claims_about_values_taken_off_an_axis_are_left_out(load):
    grid = {"data.p_bursty": [0, 0.5, 1], "seed": [0, 1, 2]}
    near = CLAIM | {"kind": "near", "value": 0.5, "margin": 0.1, "text": "none at 0"}
    del near["along"]
    claims = [CLAIM, CLAIM | {"low": 0.5}, near | {"where": {"data.p_bursty": 0}}]
    assert load(grid=grid, claims=claims).dropped_claims == ()
    sweep = load("grid.data.p_bursty=[0, 1]", grid=grid, claims=claims)
    assert [len(sweep.config.claims), len(sweep.dropped_claims), len(sweep.cells)] == [2, 1, 6]
    assert sweep.dropped_claims[0].low == 0.5
    sweep = load("grid.data.p_bursty=[1]", grid=grid, claims=claims)
    assert [len(sweep.config.claims), len(sweep.dropped_claims)] == [0, 3]
    # The file itself must be right.
    with refused("claims.0.low = 0.4", "0, 1"):
        load("grid.data.p_bursty=[0, 1]", grid=grid, claims=[CLAIM | {"low": 0.4}])


def test_the_command_line_wins_over_a_whole_branch_of_the_file(load, tmp_path: Path):
    glyphs = {"kind": "glyphs", "size": 30, "num_exemplars": 7}
    grid = {"model.width": [32, 64]}
    settings = {"data.source": glyphs, "model": {"kind": "gru", "num_layers": 3}}
    words = ("data.source.kind=omniglot", "model.num_layers=1")
    sweep = load(*words, grid=grid, settings=settings)
    assert [cell.config.model.width for cell in sweep.cells] == [32, 64]
    for cell in sweep.cells:
        source = cell.config.data.source
        assert (source.kind, source.size, source.num_exemplars) == ("omniglot", 30, 20)
        assert (cell.config.model.kind, cell.config.model.num_layers) == ("gru", 1)
    assert sweep.config.settings["data.source"] == glyphs
    (tmp_path / "resolved.yaml").write_text(dump_sweep(sweep))
    assert load_sweep(tmp_path / "resolved.yaml").cells == sweep.cells


def test_a_whole_branch_on_the_command_line_wins_over_settings_below_it(load):
    settings = {"data.source.kind": "glyphs", "data.source.num_exemplars": 7}
    for words, kind in (
        (["data.source={kind: omniglot}"], "omniglot"),
        (["data.source={kind: omniglot}", "data.source.kind=glyphs"], "glyphs"),
        (["data.source.kind=glyphs", "data.source={kind: omniglot}"], "omniglot"),
    ):
        (cell,) = load(*words, grid={"seed": [0]}, settings=settings).cells
        assert cell.config.data.source.kind == kind
        assert cell.config.data.source.num_exemplars == 20


def test_an_axis_may_lie_within_the_branch_of_another(load):
    sources = [{"kind": "glyphs", "num_exemplars": 7}, {"kind": "omniglot"}]
    sweep = load("grid.data.source.size=[28, 30]", grid={"data.source": sources})
    found = [(c.config.data.source.kind, c.config.data.source.size) for c in sweep.cells]
    assert found == [(kind, size) for kind in ("glyphs", "omniglot") for size in (28, 30)]
    assert sweep.config.grid["data.source"] == sources


def test_names_of_knobs_in_braces_are_their_values(load, tmp_path: Path):
    initializer = {"kind": "file", "path": "{seed}/{data.p_bursty}/{data.ways}.npy"}
    grid = {"data.p_bursty": [0.5, 1.0], "seed": [3, 4]}
    pattern = "block*/mixer/qkv/query"
    for sweep in (
        load(grid=grid, settings={f"connectivity.{pattern}": initializer}),
        load(grid=grid, cells=[{f"connectivity.{pattern}": initializer}]),
    ):
        paths = [cell.config.connectivity[pattern].path for cell in sweep.cells]
        # What is not swept is left as it is.
        ends = ["3/0.5", "4/0.5", "3/1.0", "4/1.0"]
        assert paths == [f"{end}/{{data.ways}}.npy" for end in ends]
        path = tmp_path / "again" / "grid.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(dump_sweep(sweep))
        assert load_sweep(path) == sweep


def test_a_grid_is_resolved_when_it_is_written(load, tmp_path: Path):
    sweep = load(
        grid={"data.p_bursty": {"linear": [0, 1, 3]}},
        settings={"data.ways": 1},
        claims=[CLAIM],
    )
    path = tmp_path / "elsewhere" / "grid.yaml"
    path.parent.mkdir()
    path.write_text(dump_sweep(sweep))
    assert load_sweep(path) == sweep


def test_a_folder_is_all_of_its_grids(load, tmp_path: Path):
    load(grid={"data.p_bursty": [0, 1]})
    (tmp_path / "other.yaml").write_text("base: base.yaml\ngrid: {seed: [0, 1, 2]}\n")
    assert [(s.name, len(s.cells)) for s in load_sweeps(tmp_path)] == [("grid", 2), ("other", 3)]
    with refused(f"{tmp_path}/.."):
        load_sweeps(tmp_path / "..")


def test_a_grid_without_the_halving_that_was_removed_is_read(load):
    assert load(grid={"seed": [0, 1]}, halving=None) == load(grid={"seed": [0, 1]})


def test_the_grid_that_a_sweep_recorded_is_read_with_the_halving_that_was_removed(
    load, tmp_path: Path
):
    sweep = load(grid={"seed": [0, 1]})
    recorded = tmp_path / "sweep" / "grids" / "grid.yaml"
    recorded.parent.mkdir(parents=True)
    halving = {"steps": [10], "condition": "no_support", "metric": "accuracy"}
    recorded.write_text(dump_sweep(sweep) + dump_yaml({"halving": halving}))
    assert sweep_of(tmp_path / "sweep").cells == sweep.cells
    assert list_grids(tmp_path / "sweep") == ["grid"]
    with refused("halving = {'steps': [10]", "null"):
        load_sweep(recorded)


# By the field and value that one line names, and the bounds and names that follow.
MISTAKES = {
    ("grid.data.p_bursty = []", "1"): {"grid": {"data.p_bursty": []}},
    ("data.p_bust", "data.p_bursty", "docs/distribution.md"): {"grid": {"data.p_bust": [1]}},
    ("data.p_bursty = 2", "0", "1"): {"grid": {"data.p_bursty": [0, 2]}},
    ("data.p_bursty=1 and data.p_bursty=1.0",): {
        "grid": {"data.p_bursty": [1, 1.0], "seed": [0, 1, 2]}
    },
    ("seed=1 and seed=1",): {"grid": {"seed": [1, 1]}},
    ("zip.0: 2 of data.shots, 1 of data.ways",): {
        "zip": [{"data.shots": [0, 1], "data.ways": [1]}]
    },
    ("cells.1", "seed"): {"cells": [{"data.ways": 1}, {"seed": 1}]},
    ("data.ways", "axes"): {
        "grid": {"data.ways": [1]},
        "zip": [{"data.ways": [1]}],
    },
    ("seed", "zip or cells", "grid"): {"zip": [{"seed": [1]}]},
    ("grid.seed = 3", "[a, b]"): {"grid": {"seed": 3}},
    ("grid.data.zipf_exponent = {'log': [0, 1, 3]}", "0"): {
        "grid": {"data.zipf_exponent": {"log": [0, 1, 3]}}
    },
    ("grid.data.zipf_exponent = {'linear': [0, 1]}", "{linear: [FIRST, LAST, COUNT]}"): {
        "grid": {"data.zipf_exponent": {"linear": [0, 1]}}
    },
    ("halving = {'steps': [10], 'condition': 'no_support'}", "null", "successive halving"): {
        "grid": {"seed": [0]},
        "halving": {"steps": [10], "condition": "no_support"},
    },
    ("data.random_bits = rbg", "threefry"): {
        "grid": {"data.random_bits": ["threefry", "rbg"]},
    },
    ("claims.0.metric = accuracy_in_context", "accuracy", "loss", "tasks"): {
        "base": str(TASK),
        "grid": {"training.momentum": [0.5, 0.9]},
        "claims": [CLAIM | {"along": "training.momentum", "condition": "task"}],
    },
    ("claims.0.where.seed = 0", "data.p_bursty"): {
        "grid": {"data.p_bursty": [0, 1], "seed": [0, 1]},
        "claims": [CLAIM | {"where": {"seed": 0}}],
    },
    ("claims.0.where.training.clip_norm = 1", "null, 1.0"): {
        "grid": {"training.clip_norm": [None, 1.0], "data.p_bursty": [0, 1]},
        "claims": [CLAIM | {"where": {"training.clip_norm": 1}}],
    },
    ("claims.0.where", "0 of data.p_bursty"): {
        "zip": [{"data.p_bursty": [0, 1], "data.zipf_exponent": [1, 2]}],
        "claims": [CLAIM | {"where": {"data.zipf_exponent": 1}}],
    },
    ("claims.0.where", "0, 0.5 of data.p_bursty"): {
        "zip": [{"data.p_bursty": [0, 0.5, 1], "data.zipf_exponent": [1, 1, 2]}],
        "claims": [CLAIM | {"where": {"data.zipf_exponent": 1}, "high": 1}],
    },
    ("claims.0.where", "data.ways = 1 and data.zipf_exponent = 2"): {
        "grid": {"data.p_bursty": [0, 1]},
        "zip": [{"data.ways": [1, 2], "data.zipf_exponent": [1, 2]}],
        "claims": [CLAIM | {"where": {"data.ways": 1, "data.zipf_exponent": 2}}],
    },
    ("gird", "base, settings, grid, zip, cells, claims"): {
        "gird": {},
        "grid": {"seed": [0]},
    },
    ("missing.yaml", "No such file"): {"base": "missing.yaml", "grid": {"seed": [0]}},
    ("grid.yaml", "grid, zip or cells"): {},
}


@pytest.mark.parametrize("named", MISTAKES, ids=lambda named: named[0])
def test_one_line_names_a_mistake(load, named: tuple[str, ...]):
    with refused(*named):
        load(**MISTAKES[named])


@pytest.mark.parametrize(
    ("override", "field", "knob"),
    [
        ("data.p_bursty=1", "data.p_bursty", "data.p_bursty"),
        ("grid.data.ways=[1, 2]", "grid.data.ways", "data.ways"),
        ("data.source.kind=gaussian", "data.source.kind", "data.source"),
    ],
)
def test_what_is_swept_is_not_set_beside(load, override, field, knob):
    grid = {"data.p_bursty": [0, 1], "data.source": [{"kind": "glyphs"}]}
    with refused(field, f"grid.{knob}=[...]"):
        load(override, grid=grid, zip=[{"data.ways": [1, 2]}])


def test_many_mistakes_are_counted(load):
    with pytest.raises(UserError) as caught:
        load(grid={"data.p_bursty": [2 + i for i in range(30)]})
    assert caught.value.args[-1] == "... and 20 more mistakes"
    assert len(caught.value.args) == 11


def test_claims_are_about_what_is_swept_and_tested(load):
    grid = {"data.p_bursty": [0, 1]}
    assert len(load(grid=grid, claims=[CLAIM]).config.claims) == 1
    for change, subject, other in (
        ({"along": "data.ways"}, "claims.0.along = data.ways", "data.p_bursty"),
        ({"condition": "none"}, "claims.0.condition = none", "fewshot_holdout"),
        ({"kind": "grows"}, "claims.0.kind = grows", "rises"),
    ):
        with refused(subject, other):
            load(grid=grid, claims=[CLAIM | change])


def test_a_claim_may_be_made_of_each_value_of_a_knob(load):
    grid = {"data.p_bursty": [0, 0.5, 1], "data.ways": [1, 2], "seed": [0, 1, 2]}
    ways = {"pairs": 2, "single items": 1}
    near = {"kind": "near", "value": 0.5, "margin": 0.1, "metric": "accuracy"}
    near |= {"condition": "fewshot_holdout", "text": "{data.p_bursty}, {data.ways}: at chance"}
    near |= {"each": {"data.p_bursty": [0, 0.5], "data.ways": ways}}
    up = CLAIM | {"where": {"data.ways": 2}, "text": "ICL rises to {data.p_bursty}"}
    up |= {"each": {"data.p_bursty": {"half": 0.5, "one": 1}}}
    down = up | {"text": "ICL rises from {data.p_bursty}", "high": 1}
    down |= {"each": {"data.p_bursty": [0, 0.5]}}
    sweep = load(grid=grid, claims=[near, up, CLAIM, down])
    found = [
        (c.text, c.where, getattr(c, "low", 0), getattr(c, "high", 0)) for c in sweep.config.claims
    ]
    assert found == [
        ("0, pairs: at chance", {"data.p_bursty": 0, "data.ways": 2}, 0, 0),
        ("0, single items: at chance", {"data.p_bursty": 0, "data.ways": 1}, 0, 0),
        ("0.5, pairs: at chance", {"data.p_bursty": 0.5, "data.ways": 2}, 0, 0),
        ("0.5, single items: at chance", {"data.p_bursty": 0.5, "data.ways": 1}, 0, 0),
        ("ICL rises to half", {"data.ways": 2}, None, 0.5),
        ("ICL rises to one", {"data.ways": 2}, None, 1),
        ("ICL rises", {}, None, None),
        ("ICL rises from 0", {"data.ways": 2}, 0, 1),
        ("ICL rises from 0.5", {"data.ways": 2}, 0.5, 1),
    ]
    # What is written down is single claims, and reads the same.
    assert "each" not in dump_sweep(sweep)
    assert SweepConfig.model_validate(read_yaml(dump_sweep(sweep))).claims == sweep.config.claims
    assert len(load("grid.data.p_bursty=[0, 1]", grid=grid, claims=[near, up]).config.claims) == 3


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"each": [1]}, ["each = [1]"]),
        ({"each": {}}, ["each = {}"]),
        ({"each": {"data.ways": 2}}, ["each.data.ways = 2"]),
        ({"each": {"data.ways": []}}, ["each.data.ways = []"]),
        ({"text": "ICL rises"}, ["text = ICL rises", "{data.ways}"]),
        ({"where": {"data.ways": 1}}, ["where.data.ways", "each"]),
        ({"where": [1]}, ["where = [1]"]),
        ({"along": "data.ways", "low": 1, "high": 2}, ["each.data.ways", "low and high"]),
        ({"each": {"data.ways": [3]}}, ["where.data.ways = 3", "1, 2"]),
    ],
)
def test_mistakes_in_claims_of_each_value(load, change: dict, named: list[str]):
    grid = {"data.p_bursty": [0, 1], "data.ways": [1, 2]}
    claim = CLAIM | {"text": "{data.ways}: ICL rises", "each": {"data.ways": [1, 2]}}
    assert len(load(grid=grid, claims=[claim]).config.claims) == 2
    subject, *others = named
    with refused(f"claims.0.{subject}", *others):
        load(grid=grid, claims=[claim | change])


def test_claims_are_numbered_as_in_the_file(load):
    grid = {"data.p_bursty": [0, 1], "data.ways": [1, 2]}
    each = CLAIM | {"text": "{data.ways}: ICL rises", "each": {"data.ways": [1, 2]}}
    for change in ({"condition": "none"}, {"metric": "none"}):
        with pytest.raises(UserError) as caught:
            load(grid=grid, claims=[each, CLAIM | change])
        [line] = caught.value.args
        assert line.startswith("claims.1.")
        with pytest.raises(UserError) as caught:
            load(grid=grid, claims=[CLAIM, each | change, each])
        [line] = caught.value.args
        assert line.startswith("claims.1.")


def test_a_run_is_the_same_with_its_defaults_spelt_out(small_config):
    plain, spelt = small_config(), small_config("data.label_noise=0.0", "training.momentum=0.0")
    assert digest_of(plain) == digest_of(spelt)
    trees = {"seed": 1}, {"model": {"kind": "gru"}}, {"model": {"kind": "rnn"}}, {}
    assert len({digest_of(parse_config(tree)) for tree in trees}) == 4


def test_what_is_on_or_off_is_part_of_the_program(small_config):
    program = program_of(small_config())
    assert program_of(small_config("seed=5", "data.p_bursty=0.2")) == program
    assert program_of(small_config("data.label_noise=0.1")) != program
    noisy = [program_of(small_config(f"data.label_noise={p}")) for p in (0.1, 0.2)]
    assert noisy[0] == noisy[1]


def test_an_empty_grid_is_its_base():
    assert SweepConfig(grid={}).points == [{}]


def test_a_claim_about_a_measure_needs_it_measured(load):
    claims = [CLAIM | {"metric": "kernel_alignment"}]
    grid = {"data.p_bursty": [0, 1], "seed": [0]}
    with refused("claims.0.metric = kernel_alignment", "evaluation.probes", "kernels"):
        load(grid=grid, claims=claims)
    assert load("evaluation.measures=true", grid=grid, claims=claims).config.claims


@pytest.fixture
def load_scaled(tmp_path: Path):
    """(override, ..., entries of a grid file with two scales) -> the grid."""

    def load(*overrides: str, **entries: Any) -> Sweep:
        (tmp_path / "few.yaml").write_text("data: {num_classes: 50}\n")
        (tmp_path / "many.yaml").write_text("data: {num_classes: 500}\n")
        path, scales = tmp_path / "grid.yaml", {"few": "few.yaml", "many": "many.yaml"}
        whole = {"scales": scales, "scale": "few", "grid": {"seed": [0]}} | entries
        path.write_text(dump_yaml(whole))
        return load_sweep(path, list(overrides))

    return load


@pytest.mark.parametrize(("words", "count"), [([], 50), (["scale=many"], 500)])
def test_a_scale_is_one_word(load_scaled, words: list[str], count: int, tmp_path: Path):
    sweep = load_scaled(*words)
    assert [cell.config.data.num_classes for cell in sweep.cells] == [count]
    (tmp_path / "resolved.yaml").write_text(dump_sweep(sweep))
    assert load_sweep(tmp_path / "resolved.yaml").cells == sweep.cells


def test_a_scale_may_have_settings_of_its_own(load_scaled):
    own = {"base": "few.yaml", "settings": {"training.num_steps": 7, "data.ways": 1}}
    entries = {"scales": {"few": own, "many": "many.yaml"}, "settings": {"data.ways": 2}}
    few, many = (load_scaled(*words, **entries) for words in ((), ("scale=many",)))
    assert few.cells[0].config.training.num_steps == 7 != many.cells[0].config.training.num_steps
    assert few.cells[0].config.data.ways == many.cells[0].config.data.ways == 2
    changed = load_scaled("training.num_steps=9", **entries)
    assert changed.cells[0].config.training.num_steps == 9


@pytest.mark.parametrize(
    ("words", "entries", "named"),
    [
        (["scale=huge"], {}, ["scale = huge", "few, many"]),
        ([], {"base": "few.yaml"}, ["base and scales"]),
        ([], {"scales": ["few.yaml"]}, ["scales = ['few.yaml']", "base", "settings"]),
        ([], {"scales": None}, ["scales = None", "base", "settings"]),
        (
            [],
            {"scales": {"few": {"settings": {}}}},
            ["scales = {'few': {'settings': {}}}", "base", "settings"],
        ),
    ],
)
def test_mistakes_in_scales(load_scaled, words: list[str], entries: dict, named: list[str]):
    with refused(*named):
        load_scaled(*words, **entries)
