"""Growth of costs: python -m benchmarks.growth.

For each quantity: the exponent of the cost, fitted to logarithms over all values; the exponent
expected at large values; and the first cliff, a value to which the cost grows faster than expected
by more than a margin. All values of a quantity are timed in turns within one process.
"""

import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from benchmarks.reporting import Figures, median, parser_of, show
from benchmarks.sweeps import copy_cells, make_run
from icl.cli.arguments import run_command
from icl.config import ExperimentConfig
from icl.config.find import CONFIGS
from icl.config.yaml import load_config
from icl.problems.base import bind
from icl.problems.load import load_program
from icl.problems.sequences import SequenceProblem
from icl.records import load
from icl.runs.engines.lanes import LanesEngine

TURNS = 7
CLIFF = 0.5  # above the expected exponent, between two neighbouring values
SECONDS = 0.1  # shortest measurement

Work = Callable[[], float]  # measures once; seconds of one repetition


class Growth(NamedTuple):
    """A quantity and its cost.

    values: values of the quantity.
    expected: exponent of the cost at large values.
    task: a value -> the work to time.
    """

    values: tuple[int, ...]
    expected: float
    task: Callable[[int], Work]


def main() -> int:
    show(measure(), parser_of("Measure how costs grow.").parse_args().json)
    return 0


def measure(turns: int = TURNS) -> dict[str, Figures]:
    """Figures by quantity: exponents, and the cost of each value over that of the first."""
    return {name: _measure(growth, turns) for name, growth in GROWTHS.items()}


def _measure(growth: Growth, turns: int) -> Figures:
    tasks = [growth.task(value) for value in growth.values]
    times = np.array([[task() for task in tasks] for _ in range(turns)])
    return exponents(growth, times)


def exponents(growth: Growth, seconds: np.ndarray) -> Figures:
    """Figures of the costs [turn, value], with a cliff only if there is one."""
    x, y = np.log(growth.values), np.log(seconds)
    steps = np.diff(y) / np.diff(x)
    cliffs = [
        value
        for value, step in zip(growth.values[1:], np.median(steps, axis=0), strict=True)
        if step > growth.expected + CLIFF
    ]
    return (
        {
            "exponent": median(np.polyfit(x, y.T, 1)[0]),
            "exponent at the largest": median(steps[:, -1]),
            "expected": growth.expected,
        }
        | ({"first cliff at": cliffs[0]} if cliffs else {})
        | {
            f"cost at {value} / {growth.values[0]}": median(costs / seconds[:, 0])
            for value, costs in zip(growth.values[1:], seconds.T[1:], strict=True)
        }
    )


def _config(*words: str) -> ExperimentConfig:
    return load_config(
        CONFIGS / "quickstart.yaml",
        [
            "data.source={kind: symbolic, num_classes: 223}",
            "data.num_classes=200",
            "data.label_multiplicity=1",
            "model.embedder={kind: table}",
            "training.batch_size=32",
            "evaluation.conditions=[train]",
            *words,
        ],
    )


def _classes(count: int) -> tuple[str, str]:
    return f"data.source.num_classes={count + 23}", f"data.num_classes={count}"


def _step(*words: str) -> Work:
    """A training step."""
    config = _config(*words)
    experiment = bind(load_program(config), config)
    state = jax.block_until_ready(experiment.train(experiment.init(), 1))
    done, count = 1, 1

    def seconds() -> float:
        nonlocal state, done, count
        done += count
        begin = time.perf_counter()
        state = jax.block_until_ready(experiment.train(state, done))
        each = (time.perf_counter() - begin) / count
        count = max(1, math.ceil(SECONDS / each))
        return each

    seconds()
    return seconds


def _draw(num_classes: int) -> Work:
    """A batch of sequences, as integers and as symbols."""
    config = _config(*_classes(num_classes), "data.zipf_exponent=1")
    problem = load_program(config).problem
    assert isinstance(problem, SequenceProblem)
    family, knobs = problem.families["train"], problem.inputs(config).knobs

    def seconds() -> float:
        begin = time.perf_counter()
        jax.block_until_ready(problem.draw(jax.random.key(0), 4096, family, knobs))
        return time.perf_counter() - begin

    seconds()
    return seconds


def _lanes(count: int) -> Work:
    """A training step of `count` runs as lanes of one program."""
    config = _config("training.batch_size=8")
    program = load_program(config)
    inputs = [program.inputs(config.model_copy(update={"seed": seed})) for seed in range(count)]
    engine = LanesEngine(program, inputs)
    lanes = engine.train(engine.place([program.init(own) for own in inputs]), 1)
    done, steps = 1, max(1, 64 // count)

    def seconds() -> float:
        nonlocal lanes, done
        done += steps
        begin = time.perf_counter()
        lanes = engine.train(lanes, done)
        engine.progress(lanes)  # waits
        return (time.perf_counter() - begin) / steps

    seconds()
    return seconds


def _cells(count: int) -> Work:
    """Loading a finished sweep of `count` cells."""
    folder = tempfile.TemporaryDirectory()
    run, sweep = Path(folder.name) / "run", Path(folder.name) / "sweep"
    make_run(run)
    copy_cells(run, sweep, count)

    def seconds() -> float:
        begin = time.perf_counter()
        load(Path(folder.name) / "sweep")  # the folder lives as long as this function
        return time.perf_counter() - begin

    seconds()
    return seconds


GROWTHS: dict[str, Growth] = {
    "drawing, number of classes": Growth((100, 1_000, 10_000, 100_000), 0, _draw),
    "step, number of classes (readout and label table)": Growth(
        (100, 1_000, 10_000, 100_000), 1, lambda n: _step(*_classes(n))
    ),
    "step, context": Growth((8, 16, 32, 64, 128), 2, lambda n: _step(f"data.context_len={n}")),
    "step, width": Growth((32, 64, 128, 256, 512), 2, lambda n: _step(f"model.width={n}")),
    "step, depth": Growth((2, 4, 8, 16), 1, lambda n: _step(f"model.num_layers={n}")),
    "step, batch": Growth(
        (8, 16, 32, 64, 128, 256), 1, lambda n: _step(f"training.batch_size={n}")
    ),
    "step, lanes of a pack": Growth((1, 2, 4, 8, 16), 1, _lanes),
    "loading a sweep, number of cells": Growth((100, 300, 1_000, 3_000), 1, _cells),
}


if __name__ == "__main__":
    run_command(main)
