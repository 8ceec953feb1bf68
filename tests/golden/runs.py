"""Short runs of every file of settings: what their records hold after one step and after ten.

The first cell of a grid stands for it. Networks have one layer, data are small, and images are
drawn glyphs: compiling and looking up what is large takes minutes.
"""

import json
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from icl.config.grid import load_sweep
from icl.config.yaml import load_config, override, parse_config
from icl.problems.load import load_program
from icl.runs.progress import Progress
from icl.runs.run import train
from icl.runs.summary import plain
from tests.golden.grids import FILES, is_grid
from tests.golden.store import shortened

STEPS = (1, 10)
WIDTH = 24  # of networks for tasks
GLYPHS = {"kind": "glyphs", "size": 12, "num_classes": 120, "num_exemplars": 20}

NAMES = list(FILES)
# A run on sequences and a run on a task; others differ from them in settings alone.
QUICK = ("quickstart", "liu2023/base")
SLOW = frozenset(NAMES) - frozenset(QUICK)


def compute(name: str, folder: Path) -> dict[str, Any]:
    """The scores after some steps; of what is no grid also what a whole run leaves on the disk."""
    path = FILES[name]
    if not is_grid(path):
        return _recorded(parse_config(small_settings(load_config(path), folder)), folder / "run")
    config = parse_config(small_settings(load_sweep(path).cells[0].config, folder))
    program = load_program(config)
    inputs = program.inputs(config)
    state, scores = program.init(inputs), {}
    for step in STEPS:
        state = program.train(state, jnp.int32(step), inputs, program.arrays)
        record = program.evaluate(state, inputs, program.arrays)
        scores[str(step)] = {
            name: {metric: plain(value) for metric, value in of_condition.items()}
            for name, of_condition in record.items()
        }
    return shortened(scores)


def _recorded(config: Any, out: Path) -> dict[str, Any]:
    train(config, out, Progress())
    records = map(json.loads, (out / "metrics.jsonl").read_text().splitlines())
    kept = {str(record["step"]): record for record in records if record["step"] in STEPS}
    summary = json.loads((out / "summary.json").read_text())
    files = sorted(path.name for path in out.iterdir())
    return shortened(kept | {"summary": summary, "files": files})


def small_settings(config: Any, folder: Path) -> dict[str, Any]:
    """The settings of a config with those of a short and small run in place of its own."""
    tree = config.model_dump(mode="json")
    override(tree, _of_task(config, folder) if "task" in tree else _of_sequences(config))
    return tree


def _of_all(config: Any) -> dict[str, Any]:
    return {
        "training.num_steps": STEPS[-1],
        "training.batch_size": 8,
        "training.warmup_steps": min(config.training.warmup_steps, 5),
        "evaluation.num_sequences": 32,
        "evaluation.every": 1,
        "checkpoints.every": 1000,
    }


def _of_sequences(config: Any) -> dict[str, Any]:
    """Settings of a small run: of several conditions the first, as each is compiled."""
    data, settings = config.data, _of_all(config)
    if data.source.kind in ("omniglot", "glyphs"):
        settings["data.source"] = dict(GLYPHS)
        settings["data.num_classes"] = min(data.num_classes, 100)
        settings["data.num_common_classes"] = min(data.num_common_classes, 10)
        settings["data.num_holdout_classes"] = min(data.num_holdout_classes, 20)
    if config.model.embedder.kind == "resnet":  # half a minute to compile; tested by itself
        settings["model.embedder"] = {"kind": "linear"}
    settings["model.num_layers"] = 1
    settings["evaluation.conditions"] = [config.evaluation.conditions[0]]
    return settings


def _of_task(config: Any, folder: Path) -> dict[str, Any]:
    """Settings of a small run, for which nothing is downloaded or was trained before."""
    settings = _of_all(config) | {
        "model.width": WIDTH,
        "evaluation.num_trials": 16,
        "evaluation.num_kernel_trials": 4,
    }
    for pattern, initializer in config.connectivity.items():
        if hasattr(initializer, "path"):
            file = folder / "matrix.npy"
            np.save(file, np.random.default_rng(1).standard_normal((WIDTH, WIDTH)))
            settings[f"connectivity.{pattern}.path"] = str(file)
    if config.task.kind == "digits":
        settings["task.source"] = {"kind": "sklearn"}
    return settings
