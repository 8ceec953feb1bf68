"""What cannot fit into memory is refused by an estimate, before anything is loaded or written."""

import os
from pathlib import Path

import numpy as np
import pytest

from icl.config.embedders import LinearEmbedder
from icl.config.grid import load_sweep
from icl.config.networks import NETWORKS
from icl.config.yaml import load_config
from icl.errors import UserError
from icl.problems import memory
from icl.problems.cost import num_parameters
from icl.problems.memory import check_memory, least_memory

from ..conftest import QUICKSTART
from ..messages import check_line, refused
from ..sweeps.conftest import train, write_grid

TASK = QUICKSTART.parent / "liu2023" / "base.yaml"
GIB = 2**30


@pytest.fixture
def of_4_gib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "host_memory", lambda: 4 * GIB)
    monkeypatch.setattr(memory, "device_memory", lambda: None)


@pytest.mark.parametrize("kind", NETWORKS)
def test_no_network_has_fewer_parameters(small_config, kind: str):
    model = NETWORKS[kind](width=16, num_layers=1, embedder=LinearEmbedder(), head=(8, 16))
    config = small_config().model_copy(update={"model": model})
    (_, _, needed), *_ = least_memory(config)
    exact = 4 * 4 * num_parameters(config, np.zeros((2, 12, 12), np.float32))
    assert exact / 8 < needed <= exact


def test_a_batch_takes_at_least_its_items_and_what_blocks_keep(small_config):
    config = small_config("data.context_len=8", "training.batch_size=100")
    _, (fields, _, needed), (_, _, bank) = least_memory(config)
    assert (fields["training.batch_size"], fields["model.width"]) == (100, 16)
    labels = config.data.num_labels
    assert needed == 100 * (4 * 9 * 12 * 12 + 4 * 9 * 16 + 4 * labels)
    assert least_memory(config, num_devices=4)[1][2] == needed / 4
    assert bank == 40 * 6 * 12 * 12


@pytest.mark.parametrize(
    ("path", "words", "subject", "needed"),
    [
        (
            QUICKSTART,
            ["model.width=80000"],
            "model.num_layers = 2, model.width = 80000, model.mlp_ratio = 4, labels = 6492",
            "1,732 GiB",
        ),
        (
            QUICKSTART,
            ["training.batch_size=1000000"],
            "training.batch_size = 1000000, data.context_len = 8, model.num_layers = 2, "
            "model.width = 64, labels = 6492",
            "54.76 GiB",
        ),
        (
            QUICKSTART,
            ["data.source.num_classes=1000000", "data.source.num_exemplars=10"],
            "data.source.num_classes = 1000000, data.source.num_exemplars = 10, "
            "data.source.size = 28",
            "7.302 GiB",
        ),
        (TASK, ["model.width=50000"], "model.width = 50000", "GiB"),
        (
            TASK,
            ["evaluation.num_sequences=10000000"],
            "evaluation.num_sequences = 10000000, model.width = 300, steps of a trial = 8",
            "GiB",
        ),
    ],
    ids=["width", "batch", "exemplars", "width of a task", "trials"],
)
def test_one_line_names_the_settings_the_estimate_and_the_memory(
    of_4_gib, path: Path, words: list[str], subject: str, needed: str
):
    check_memory(load_config(path))
    with pytest.raises(UserError) as caught:
        check_memory(load_config(path, words))
    check_line(caught.value.args[0], f"{subject}: at least {needed}"[: len(subject)], "4 GiB")
    assert needed in caught.value.args[0]


def test_a_run_is_refused_before_it_loads_and_writes(script, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("icl.problems.load.load_program", lambda config: pytest.fail("loaded"))
    done = script("train.py", "model.width=100000", "model.num_layers=1000", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-2].startswith("error: model.num_layers = 1000, model.width")
    assert os.listdir(tmp_path) == []


def test_a_sweep_is_refused_if_one_of_its_cells_is(tmp_path: Path):
    grid = {"model.width": [16, 100_000]}
    sweep = load_sweep(write_grid(tmp_path / "grid.yaml", grid=grid))
    fields = "model.num_layers = 1, model.width = 100000, model.mlp_ratio = 4, labels = 144"
    with refused(fields, "weights"):
        train(sweep, tmp_path / "out")
    assert not (tmp_path / "out").exists()
