"""Measure the quickstart's training step against the machine: python -m benchmarks [--json FILE].

Everything is timed in turns within one process, and the medians over the turns are compared, so
that a machine shared with others slows all of it alike. Settings can be given as to train.py.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from benchmarks.flops import training_flops_per_sequence
from icl.command_line import CONFIGS, run_command
from icl.config import ExperimentConfig
from icl.data.batches import draw_indices, look_up
from icl.data.exemplars import load_exemplars
from icl.data.exemplars.on_device import exemplars_in_use, put_on_device
from icl.data.families import make_families, make_knobs
from icl.environment import describe_environment
from icl.experiment import make_experiment
from icl.records.config_file import load_config
from icl.types import Exemplars

TURNS = 15
MATRIX_SIDE = 2048
STEPS, SAMPLER_STEPS = 50, 500


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the training step.")
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    arguments = parser.parse_args()
    # One label for each class, as in the papers: the readout is not what is measured here.
    overrides = ["data.label_multiplicity=1", *arguments.overrides]
    config = load_config(CONFIGS / "quickstart.yaml", overrides)
    figures = measure(config)
    for name, value in figures.items():
        print(f"{name:36} {value:.4g}" if isinstance(value, float) else f"{name:36} {value}")
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(figures | {"environment": describe_environment()}, file, indent=2)
    return 0


def measure(config: ExperimentConfig) -> dict[str, Any]:
    """Medians over turns, ratios first."""
    bank = load_exemplars(config.data.source)
    exemplars = put_on_device(config.data, bank)
    train, live_before, train_all = _training(config, bank)
    tasks: dict[str, Callable[[], float]] = {
        "peak": _matrix_product,
        "index": _sampling(config, exemplars, look=False),
        "batch": _sampling(config, exemplars, look=True),
        "step": train,
    }
    for task in tasks.values():
        task()  # compiles
    compiled = train_all()
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(TURNS):
        for name, task in tasks.items():
            times[name].append(task())
    medians = {name: statistics.median(values) for name, values in times.items()}
    flops = training_flops_per_sequence(config) * config.training.batch_size
    peak = 2 * MATRIX_SIDE**3 / medians["peak"]
    of_peak = [2 * MATRIX_SIDE**3 / p for p in times["peak"]]
    fractions = [flops / s / p for s, p in zip(times["step"], of_peak, strict=True)]
    return {
        "step / index sampler": medians["step"] / medians["index"],
        "step / whole batch": medians["step"] / medians["batch"],
        "useful FLOP/s over peak": statistics.median(fractions),
        "  lowest and highest turn": f"{min(fractions):.3f} {max(fractions):.3f}",
        "programs compiled after first chunk": train_all() - compiled,
        "live arrays gained over all steps": len(jax.live_arrays()) - live_before(),
        "steps/s": 1 / medians["step"],
        "index sequences/s": config.training.batch_size / medians["index"],
        "useful MFLOP per step": flops / 1e6,
        "matrix-product peak, GFLOP/s": peak / 1e9,
    }


def _matrix_product() -> float:
    a = jnp.ones((MATRIX_SIDE, MATRIX_SIDE))
    return _seconds(lambda: a @ a)


def _training(
    config: ExperimentConfig, bank: Any
) -> tuple[Callable[[], float], Callable[[], int], Callable[[], int]]:
    """Seconds for each step; live arrays after the first chunk; programs compiled so far."""
    experiment = make_experiment(config, bank)
    state = experiment.init()
    compiled, live = 0, 0

    def count(event: str, duration_secs: float, **details: str | int) -> None:
        nonlocal compiled
        compiled += "backend_compile" in event

    jax.monitoring.register_event_duration_secs_listener(count)

    def train() -> float:
        nonlocal state, live
        start = time.perf_counter()
        state = jax.block_until_ready(experiment.train(state, int(state.step) + STEPS))
        live = live or len(jax.live_arrays())
        return (time.perf_counter() - start) / STEPS

    return train, lambda: live, lambda: compiled


def _sampling(config: ExperimentConfig, exemplars: Exemplars, look: bool) -> Callable[[], float]:
    """Seconds for each batch: as integers alone, or with the exemplars looked up."""
    data = config.data
    family = make_families(data)["train"]
    knobs = make_knobs(data, exemplars.num_classes, exemplars_in_use(data, exemplars))

    @jax.jit
    def loop(arrays: PyTree) -> jax.Array:
        def body(step: jax.Array, total: jax.Array) -> jax.Array:
            key = jax.random.fold_in(jax.random.key(0), step)
            indices = draw_indices(key, family, knobs, config.training.batch_size)
            # All that was drawn enters the sum, or XLA would not draw it.
            if look:
                total += look_up(key, indices, exemplars, arrays, knobs).exemplars.sum()
            return total + sum(jnp.sum(field) for field in indices)

        return jax.lax.fori_loop(0, SAMPLER_STEPS, body, jnp.zeros(()))

    return lambda: _seconds(lambda: loop(exemplars.arrays)) / SAMPLER_STEPS


def _seconds(call: Callable[[], jax.Array]) -> float:
    start = time.perf_counter()
    call().block_until_ready()
    return time.perf_counter() - start


if __name__ == "__main__":
    run_command(main)
