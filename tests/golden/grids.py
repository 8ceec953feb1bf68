"""Grids of cells, digests of settings, names of folders: what distinguishes runs on a disk."""

import contextlib
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

from icl.cli.arguments import parse_arguments
from icl.config.grid import load_sweep
from icl.config.traced import digest_of, program_of
from icl.config.yaml import load_config, read_settings
from tests.golden.store import digest

CONFIGS = Path(__file__).parent.parent.parent / "configs"


def is_grid(path: Path) -> bool:
    """Whether a file stands for many runs."""
    return bool({"grid", "zip", "cells"} & read_settings(path).keys())


def name_of(path: Path) -> str:
    """A file of settings by its place among all."""
    return str(path.relative_to(CONFIGS).with_suffix(""))


FILES = {name_of(path): path for path in sorted(CONFIGS.rglob("*.yaml"))}

CELLS: dict[str, tuple[str, ...]] = {
    "seed": ("seed=3",),
    "default given": ("data.p_bursty=0.9", "seed=0"),
    "zipf": ("data.zipf_exponent=1", "data.label_multiplicity=2"),
    "markov": (
        "data.source={kind: markov, num_symbols: 4}",
        "data.num_holdout_classes=0",
        "evaluation.conditions=[markov_novel]",
        "model.embedder={kind: one_hot}",
    ),
    "own family": (
        "data.families={mine: {kind: bursty, pattern: [4, 4]}}",
        "data.mixture={mine: 1, independent: 2}",
    ),
    "mamba": ("model.kind=mamba", "model.state_dim=8"),
    "rank": ("connectivity={'block*/mixer/qkv/*': {kind: own, rank: 4}}",),
    "sgd": ("training.optimizer=sgd", "training.momentum=0.9", "training.clip_norm=1"),
}

COMMANDS: tuple[tuple[str, ...], ...] = (
    (),
    ("seed=1",),
    ("seed=1", "data.p_bursty=0"),
    ("configs/chan2022/base.yaml", "model.embedder={kind: linear}"),
    ("data.mixture={bursty: 1, independent: 2}", "model.width=32"),
    ("configs/quickstart.yaml", "x=a/b", "y=c d"),
    ("runs/quickstart,seed=1/config.yaml", "seed=2"),
    ("data.families={mine: {kind: bursty, pattern: [4, 4]}}", *(f"a{i}=1" for i in range(50))),
    ("seed=1", "--out", "here"),
)

NAMES = [*FILES, "hand-made", "folders"]


def compute(name: str, folder: Path) -> Any:
    """The digests of a file's cells and which of them share a program, or names of folders."""
    if name == "folders":
        (folder / "runs" / "quickstart,seed=1").mkdir(parents=True)
        (folder / "runs" / "quickstart,seed=1" / "config.yaml").touch()
        with contextlib.chdir(folder):
            return {" ".join(words)[:60]: _folder(words) for words in COMMANDS}
    if name == "hand-made":
        quickstart, task = FILES["quickstart"], FILES["liu2023/base"]
        configs = {cell: load_config(quickstart, list(words)) for cell, words in CELLS.items()}
        configs["task"] = load_config(task, ["model.kind=gru", "model.width=20"])
        programs = [program_of(config) for config in configs.values()]
        digests = {cell: digest_of(config) for cell, config in configs.items()}
        return {"digests": digests, "programs": [programs.index(name) for name in programs]}
    path = FILES[name]
    if not is_grid(path):
        return digest_of(load_config(path))
    sweep = load_sweep(path)
    programs = [program_of(cell.config) for cell in sweep.cells]
    return {
        "name": sweep.name,
        "count": len(sweep.cells),
        "digests": digest(*sorted(cell.digest for cell in sweep.cells)),
        "in order": digest(*(cell.digest for cell in sweep.cells)),
        "texts": digest(*(cell.text for cell in sweep.cells)),
        "programs": digest(*(str(programs.index(name)) for name in programs)),
        "first": [sweep.cells[0].digest, sweep.cells[0].text],
        "claims": len(sweep.config.claims),
    }


def _folder(words: tuple[str, ...]) -> str:
    with patch.object(sys, "argv", ["train.py", *words]):
        return parse_arguments("", "quickstart").out
