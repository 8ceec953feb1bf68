"""Cost of each network, and its growth with the context: python -m benchmarks.networks.

Networks have two layers of width 64 and take symbols, so that mixers are most of the work.
Everything is timed in turns within one process, so that other load on the machine slows all
equally. Figures are medians over the turns.
"""

import argparse
import math
import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from benchmarks.compiling import nothing_kept
from benchmarks.reporting import Figures, median, write
from icl.cli.arguments import run_command
from icl.config import ExperimentConfig
from icl.config.find import CONFIGS
from icl.config.networks import NETWORKS
from icl.config.yaml import load_config
from icl.problems.base import bind
from icl.problems.cost import network_costs
from icl.problems.load import load_program

TURNS = 7
CONTEXTS = (8, 32, 128)
STEPS = {8: 20, 32: 5, 128: 2}  # steps in a turn, by context


class Task(NamedTuple):
    """A network to time.

    seconds: measures the seconds of a training step.
    compiling: seconds to compile.
    """

    seconds: Callable[[], float]
    compiling: float
    parameters: int
    flops: int
    tokens: int


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the training step of every network.")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help="networks (default: all)")
    parser.add_argument("--json", metavar="FILE", help="also write the figures to this file")
    arguments = parser.parse_args()
    kinds = list(dict.fromkeys(["transformer", *(arguments.kinds or NETWORKS)]))
    figures = measure(kinds)
    names = list(figures["transformer"])
    print(f"{'':22}" + "".join(f"{kind:>18}" for kind in kinds))
    for name in names:
        print(f"{name:40}" + "".join(f"{figures[kind][name]:>18.4g}" for kind in kinds))
    write(figures, arguments.json)
    return 0


def measure(kinds: list[str]) -> dict[str, Figures]:
    """Figures by kind: ratios to the transformer in the same turn, then growth with the context."""
    tasks = {(kind, context): _task(kind, context) for kind in kinds for context in CONTEXTS}
    times: dict[tuple[str, int], list[float]] = {key: [] for key in tasks}
    for _ in range(TURNS):
        for key, task in tasks.items():
            times[key].append(task.seconds())
    return {kind: _figures(kind, tasks, times) for kind in kinds}


def _figures(
    kind: str,
    tasks: dict[tuple[str, int], Task],
    times: dict[tuple[str, int], list[float]],
) -> Figures:
    figures: Figures = {"parameters": tasks[kind, CONTEXTS[0]].parameters}
    for context in (CONTEXTS[0], CONTEXTS[-1]):
        own, other = tasks[kind, context], tasks["transformer", context]
        pairs = zip(times[kind, context], times["transformer", context], strict=True)
        slower = median([a / b for a, b in pairs])
        figures |= {
            f"FLOP / transformer's, context {context}": own.flops / other.flops,
            f"time / transformer's, context {context}": slower,
            f"time at equal FLOP, context {context}": slower * other.flops / own.flops,
            f"thousand tokens/s, context {context}": median(
                [own.tokens / seconds / 1000 for seconds in times[kind, context]]
            ),
            f"compile time / transformer's, context {context}": own.compiling / other.compiling,
        }
    long, middle = tasks[kind, CONTEXTS[-1]], tasks[kind, CONTEXTS[-2]]
    seconds = [median(times[kind, context]) for context in CONTEXTS[-2:]]
    growth = math.log(long.tokens / middle.tokens)
    return figures | {
        "exponent of time in tokens, 65 to 257": math.log(seconds[1] / seconds[0]) / growth,
        "exponent of FLOP in tokens, 65 to 257": math.log(long.flops / middle.flops) / growth,
    }


def _config(kind: str, context: int) -> ExperimentConfig:
    return load_config(
        CONFIGS / "quickstart.yaml",
        [
            "data.source={kind: symbolic, num_classes: 223}",
            "data.num_classes=200",
            "data.label_multiplicity=1",
            f"data.context_len={context}",
            f"model.kind={kind}",
            "model.embedder={kind: table}",
            "training.batch_size=32",
            "evaluation.conditions=[train]",
        ],
    )


def _task(kind: str, context: int) -> Task:
    config = _config(kind, context)
    experiment = bind(load_program(config), config)
    costs = network_costs(config, np.arange(200, dtype=np.int32))
    state = experiment.init()
    with nothing_kept():
        start = time.perf_counter()
        state = jax.block_until_ready(experiment.train(state, 1))
        compiling = time.perf_counter() - start

    def seconds() -> float:
        nonlocal state
        start = time.perf_counter()
        stop = int(state.step) + STEPS[context]
        state = jax.block_until_ready(experiment.train(state, stop))
        return (time.perf_counter() - start) / STEPS[context]

    seconds()
    return Task(
        seconds,
        compiling,
        costs["num_parameters"]["total"],
        costs["training_flops_per_sequence"] * config.training.batch_size,
        (2 * context + 1) * config.training.batch_size,
    )


if __name__ == "__main__":
    run_command(main)
