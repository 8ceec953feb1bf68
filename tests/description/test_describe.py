"""What scripts/describe.py says, writes and refuses."""

import functools
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from icl.analysis.figures.distribution import draw_distribution
from icl.analysis.figures.sequences import (
    MAX_ITEMS,
    draw_rows,
    shown_items,
)
from icl.analysis.figures.shown import draw_shown
from icl.cli.arguments import check_folder
from icl.config.yaml import load_config
from icl.data.sources.on_device import example_items
from icl.description.any_config import describe_any
from icl.description.samples import NUM_TRAINING, make_parts
from icl.description.sequences import describe
from icl.description.tables import LEARNERS, MAX_BURSTS, print_tables, sequence_tables
from icl.files import to_lines
from icl.problems.cost import network_costs
from icl.problems.load import load_program
from icl.problems.sequences import rows_per_family

from ..conftest import small
from ..messages import check_line, refused
from .samples import BASE

ROOT = Path(__file__).parent.parent.parent
PAPER = ROOT / "configs" / "chan2022" / "base.yaml"


@pytest.fixture(autouse=True)
def _fewer_sequences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("icl.description.samples.NUM_TRAINING", 5_000)
    monkeypatch.setattr("icl.description.samples.NUM_CONDITION", 1_000)
    monkeypatch.setattr("icl.description.sequences.NUM_LOOKED_UP", 200)


def size_of(png: bytes) -> tuple[int, int]:
    image = Image.open(io.BytesIO(png))
    assert image.format == "PNG"
    assert np.asarray(image).std() > 0  # not blank
    return image.size


def test_the_command_prints_one_document_and_leaves_its_pictures(
    script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("icl.description.samples.NUM_TRAINING", NUM_TRAINING)
    conditions = "evaluation.conditions=[fewshot_holdout, no_support]"
    words = small("data.label_multiplicity=4", conditions)
    done = script("describe.py", *words, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    folder = next((tmp_path / "runs" / "describe").iterdir())
    names = ["description.json", "distribution.png", "examples.png"]
    assert sorted(os.listdir(folder)) == names
    assert json.loads((folder / "description.json").read_text()) == report
    for name in names:
        assert f"runs/describe/{folder.name}/{name}" in done.stderr.replace("\n", "")
    width, height = size_of((folder / "examples.png").read_bytes())
    assert 500 < width < 2000
    assert 800 < height < 4000

    assert report["num_sequences"] == 100_000
    assert report["p_query_in_context"] == pytest.approx(
        report["theory"]["p_query_in_context"], abs=5.1 * report["p_query_in_context_stderr"]
    )
    assert report["label_entropy_bits"] == pytest.approx(2, abs=1e-3)
    frequencies = report["class_frequencies"]
    assert frequencies == sorted(frequencies, reverse=True)
    assert len(frequencies) == len(report["theory"]["class_frequencies"]) == 30
    np.testing.assert_allclose(frequencies, 1 / 30, atol=5.1 * (1 / 30 / 100_000) ** 0.5)
    for name in ("flops_per_sequence", "training_flops_per_sequence", "memory_per_sequence_bytes"):
        assert report[name] > 0
    parts = report["num_parameters"]
    assert parts["total"] == sum(count for name, count in parts.items() if name != "total")
    assert list(report["ceilings"]) == ["train", "fewshot_holdout", "no_support"]
    for name, scores in report["ceilings"].items():
        assert set(scores) == set(LEARNERS)
        assert 0 <= report["chance"][name]["accuracy_in_context"] <= 1
        for score in scores.values():
            assert {"accuracy", "accuracy_in_context", "stderr", "exact"} <= set(score)
    assert report["ceilings"]["no_support"]["in_weights"]["exact"] == 1
    assert report["ceilings"]["fewshot_holdout"]["in_context"]["accuracy"] == 1
    assert 0.5 < report["ceilings"]["fewshot_holdout"]["nearest_neighbour"]["accuracy"] <= 1


@pytest.mark.parametrize(
    ("words", "subject"),
    [
        (["data.p_bursty=1.5"], "data.p_bursty = 1.5"),
        (["--out", "/dev/null/here"], "--out = /dev/null/here"),
        (["data.source.kind=features", "data.source.path=none.npy"], "data.source.path = none.npy"),
    ],
)
def test_one_line_names_a_mistake_and_nothing_is_written(script, tmp_path: Path, words, subject):
    done = script("describe.py", *words, "--json", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    check_line(line, subject)
    assert os.listdir(tmp_path) == []


def test_a_folder_that_can_be_made_is_not_made_yet(tmp_path: Path):
    check_folder(str(tmp_path / "a" / "b"))
    assert os.listdir(tmp_path) == []
    (tmp_path / "file").write_text("")
    with refused(f"--out = {tmp_path}/file", "not a folder"):
        check_folder(str(tmp_path / "file"))


@pytest.mark.slow  # `tests/models/test_papers.py` counts them without the cost
def test_the_network_of_the_paper_has_the_parameters_of_the_paper():
    """831,479 trained ones, 126,048 of them in embedder and label table (Chan et al. 2022)."""
    config = load_config(PAPER, ["data.source={kind: glyphs, size: 12, num_exemplars: 5}"])
    examples = example_items(config.data, make_parts(config).exemplars)
    parts = network_costs(config, examples)["num_parameters"]
    assert parts["total"] == 831_479
    assert parts["embedder"] + parts["label_table"] == 126_048


LONG = (
    "data.source={kind: gaussian, dim: 100}",
    "model.embedder={kind: linear}",
    "data.context_len=18",
    "data.mixture={bursty: 1}",
    "evaluation.conditions=[train, flip]",
)
MARKOV = (
    "data.source={kind: markov, num_symbols: 4}",
    "evaluation.conditions=[markov_novel]",
    "data.num_holdout_classes=0",
)
RARE = (
    "data.mixture={bursty: 1, supported: 1e-5}",
    "data.label_noise=0.1",
    "data.num_blocks=2",
    "evaluation.conditions=[no_support]",
)


@pytest.mark.parametrize("words", [LONG, MARKOV, RARE], ids=["long vectors", "chains", "symbols"])
def test_every_kind_of_item_is_described_and_drawn(words: tuple[str, ...]):
    fields = {word.partition("=")[0] for word in words}
    base = [word for word in BASE if word.partition("=")[0] not in fields]
    config = load_config(ROOT / "configs" / "quickstart.yaml", [*base, *words])
    description = describe(config)
    report = json.loads(to_lines(description.report))
    names = {row.name.partition("\n")[0] for row in description.rows}
    conditions = set(config.evaluation.conditions) - {"train"}
    assert names == set(config.data.weights) | conditions
    width, height = size_of(draw_rows(description.rows))
    items = min(config.data.context_len + 1, MAX_ITEMS)
    assert 60 * items < width < 100 * items + 400
    assert 60 * len(description.rows) < height
    size_of(draw_distribution(description.report, description.entropies))
    for of_condition in report["ceilings"].values():
        for score in of_condition.values():
            assert 0 <= score["accuracy"] <= 1
    out = io.StringIO()
    print_tables(sequence_tables(report), [Path("here/one.png")], out)
    assert "here/one.png" in out.getvalue()
    assert max(map(len, out.getvalue().splitlines())) <= 110


def test_matrices_whose_beginning_is_set_are_drawn(small_config):
    initializer = "connectivity={'block*/mixer/qkv/query': {kind: own, rank: 2}}"
    few = "evaluation.conditions=[no_support]", "data.p_bursty=1"
    report = describe_any(small_config(initializer, *few))
    assert Image.open(io.BytesIO(report.pictures["spectrum.png"])).size[0] > 300


def test_a_run_has_a_picture_of_the_families_it_is_trained_on(small_config):
    config = small_config("data.p_bursty=0.999")
    problem = load_program(config).problem
    width, height = size_of(draw_shown(problem.shown(config, problem.inputs(config))))
    assert 500 < width < 2000
    assert 400 < height < 2000


def test_pictures_stay_readable_with_many_families():
    assert [rows_per_family(count) for count in (1, 2, 5, 15, 100)] == [3, 3, 3, 2, 1]


def test_of_long_sequences_the_items_of_the_queries_class_are_shown():
    is_same = np.zeros(129, bool)
    is_same[[3, 4, 128]] = True
    assert shown_items(is_same) == [3, 4, *range(114, 129)]
    assert shown_items(is_same[:MAX_ITEMS]) == list(range(MAX_ITEMS))
    for seed in range(50):
        is_same = np.append(np.random.default_rng(seed).random(200) < seed / 50, True)
        shown = shown_items(is_same)
        assert len(set(shown)) == MAX_ITEMS
        assert shown == sorted(shown)
        assert shown[-1] == 200
        assert is_same[shown].sum() >= min(is_same.sum(), MAX_ITEMS // 2)


@functools.cache
def whole_report() -> dict:
    settings = "data.p_relevant=0.5", "evaluation.conditions=[no_support]"
    return describe(load_config(ROOT / "configs" / "quickstart.yaml", [*BASE, *settings])).report


def empty_report(num_classes: int) -> dict:
    """The report of a distribution of which next to nothing is known."""
    report = whole_report()
    flat = [1 / num_classes] * num_classes
    theory = dict.fromkeys(report["theory"]) | {"of": report["of"]}
    return report | {
        "theory": theory,
        "label_entropy_bits": None,
        "class_frequencies_by_class": flat,
        "item_frequencies_by_class": flat,
    }


@pytest.mark.parametrize("num_classes", [1, 3, 1000])
def test_a_picture_needs_no_class_that_was_drawn_often(num_classes: int):
    nothing = np.zeros(0, int), np.zeros(0)
    size_of(draw_distribution(empty_report(num_classes), nothing))


def test_the_table_has_the_largest_shares_of_bursts():
    report = empty_report(30)
    counts = np.full(40, 0.001)
    counts[[20, 31]] = 0.5, 0.46
    out = io.StringIO()
    print_tables(sequence_tables(report | {"burst_counts": counts.tolist()}), [], out)
    text = out.getvalue()
    assert "class 20 times" in text
    assert "class 31 times" in text
    assert text.count(" times in context") == MAX_BURSTS
    assert "as often as not listed" in text
