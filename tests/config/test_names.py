"""Names that are not known: what may be meant, and where all are listed."""

import re
from pathlib import Path

import pytest

from icl.config.data import DataConfig
from icl.config.experiment import EXPERIMENTS
from icl.config.families import NAMED
from icl.config.grid import load_sweep
from icl.config.mistakes import PAGES
from icl.config.networks import NETWORKS
from icl.config.traced import traced_settings
from icl.config.yaml import TABLES, load_config
from icl.config.yaml_text import dump_yaml

from ..conftest import QUICKSTART
from ..messages import check_line, errors, refused

ROOT = QUICKSTART.parent.parent
LIU = ROOT / "configs" / "liu2023"


@pytest.mark.parametrize(
    ("override", "line"),
    [
        (
            "model.wdith=3",
            "model.wdith: unknown setting; did you mean model.width? allowed of model: width "
            "and 23 more (docs/networks.md)",
        ),
        (
            "p_bursty=0.5",
            "p_bursty: unknown setting; did you mean data.p_bursty? allowed: seed, data, "
            "model, connectivity, training, evaluation, checkpoints",
        ),
        (
            "evaluation.conditions=[no_suport]",
            "evaluation.conditions.0 = no_suport; did you mean no_support? allowed: no_support, "
            "no_support_rare and 31 more (docs/distribution.md#conditions), or a name in "
            "data.families",
        ),
        (
            "data.mixture={indepedent: 1}",
            "data.mixture.indepedent = indepedent, unknown; did you mean independent? allowed: "
            "independent and 31 more (docs/distribution.md#conditions), or a name in data.families",
        ),
        (
            "data.source.kind=omniglott",
            "data.source.kind = omniglott; did you mean omniglot? allowed: omniglot, glyphs, "
            "gaussian, symbolic, features, markov",
        ),
        (
            "training.optimizer=adm",
            "training.optimizer = adm; did you mean adam? allowed: adam, sgd",
        ),
        (
            "evaluation.probes=[kernel]",
            "evaluation.probes = kernel; did you mean kernels? allowed: weights, representations, "
            "kernels",
        ),
        ('model.residual="7"', 'model.residual = "7"; allowed: true or false'),
        ("data.non_bursty=3", "data.non_bursty = 3; allowed: a text"),
        (
            "seed=three",
            'seed = "three"; allowed: a whole number at least 0 and below 4294967296',
        ),
    ],
)
def test_what_may_be_meant_is_asked(override: str, line: str):
    assert errors(override) == (line,)


def listed(page: str) -> set[str]:
    return set(re.findall(r"\w+", (ROOT / page).read_text("utf-8")))


def test_pages_list_all_names_that_lines_do_not():
    assert PAGES == {"data": "docs/distribution.md", "model": "docs/networks.md"}
    assert set(DataConfig.model_fields) <= listed(PAGES["data"])
    assert {name for kind in NETWORKS.values() for name in kind.model_fields} <= listed(
        PAGES["model"]
    )
    assert set(NAMED) <= listed("docs/distribution.md")
    assert "\n## Conditions\n" in (ROOT / "docs/distribution.md").read_text("utf-8")


@pytest.mark.parametrize("name", ["train.py", "describe.py", "match.py"])
def test_a_grid_is_no_run(script, tmp_path: Path, name: str):
    words = ["--parameters", "1000"] * (name == "match.py")
    done = script(name, LIU / "rank.yaml", *words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    check_line(done.stderr.strip(), "rank.yaml: a grid", "config of a run", "scripts/sweep.py")
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_no_grid_nor_is_a_grid_the_base_of_another(script, tmp_path: Path):
    done = script("sweep.py", QUICKSTART, cwd=tmp_path)
    assert done.returncode == 2
    check_line(done.stderr.strip(), "quickstart.yaml: not a grid", "scripts/train.py")
    grid = {"base": str(LIU / "rank.yaml"), "grid": {"seed": [0]}}
    (tmp_path / "grid.yaml").write_text(dump_yaml(grid))
    done = script("sweep.py", "grid.yaml", cwd=tmp_path)
    check_line(done.stderr.strip(), "rank.yaml: a grid", "config of a run")


@pytest.fixture
def read(tmp_path: Path):
    """Settings in a file -> the config."""

    def read(text: str):
        (path := tmp_path / "run.yaml").write_text(text)
        return load_config(path)

    return read


def test_dotted_names_in_a_file_are_settings_of_branches(read):
    dotted = read(
        "data.p_bursty: 0.5\nmodel.kind: gru\nmodel: {embedder.kind: linear}\n"
        "data: {source.kind: gaussian, source: {dim: 7}}\ntraining.num_steps: 1e4"
    )
    whole = read(
        "data: {p_bursty: 0.5, source: {kind: gaussian, dim: 7}}\n"
        "model: {kind: gru, embedder: {kind: linear}}\ntraining: {num_steps: 10000}"
    )
    assert dotted == whole
    assert dotted.data.p_bursty == 0.5


def test_names_of_ones_own_may_have_dots(read):
    config = read("training: {weight_decay_of: {a.b: 0.5}}\nconnectivity: {x.y: {kind: own}}")
    assert dict(config.training.weight_decay_of) == {"a.b": 0.5}
    assert list(config.connectivity) == ["x.y"]
    patterns = traced_settings(*EXPERIMENTS.values())
    tables = {pattern.partition(".*")[0] for pattern in patterns if ".*" in pattern}
    assert tables | {"data.families"} == set(TABLES)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("data.p_bursty: 0.5\ndata: {p_bursty: 0.5}", "data.p_bursty"),
        ("data: {source: {kind: glyphs}, source.kind: glyphs}", "data.source.kind"),
        ("data: 3\ndata.p_bursty: 1", "data"),
    ],
)
def test_a_setting_that_a_file_gives_twice_is_refused(read, text: str, field: str):
    with refused(field, "once"):
        read(text)


def test_the_base_of_a_grid_may_have_dotted_names(tmp_path: Path):
    text = "base: {data.num_classes: 50, data: {p_bursty: 1}}\ngrid: {seed: [0]}"
    (path := tmp_path / "grid.yaml").write_text(text)
    (cell,) = load_sweep(path).cells
    assert (cell.config.data.num_classes, cell.config.data.p_bursty) == (50, 1)
