"""Speed of drawing sequences as integers, by setting: python -m benchmarks.sampler.

Everything is timed in turns within one process, so that other load on the machine slows all
equally. Figures are medians over the turns.
"""

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.reporting import Figures, median, parser_of, show
from icl.cli.arguments import run_command
from icl.config import DataConfig
from icl.config.sources import SymbolicSource
from icl.data.batches import draw_indices
from icl.data.families.make import make_families
from icl.data.knobs import make_knobs
from icl.types import Knobs

TURNS = 15
BATCH = 4096
BATCHES = 25
NUM_CLASSES = (100, 1_000, 10_000, 100_000)
QUICK = ("bursty", "mixture, p_bursty 0.9"), (100, 10_000)  # settings, numbers of classes
# The settings of Chan et al. 2022, and further options of sequences.
SETTINGS: dict[str, dict[str, Any]] = {
    "bursty": {"p_bursty": 1.0},
    "mixture, p_bursty 0.9": {},
    "Zipf exponent 1": {"zipf_exponent": 1.0},
    "label multiplicity 16": {"label_multiplicity": 16},
    "context of 128": {"context_len": 128, "shots": 16, "ways": 4},
    "noise, drift, copies": {
        "label_noise": 0.1,
        "cue_reliability": 0.9,
        "p_relevant": 0.9,
        "drift_rate": 1e-4,
        "p_copied_exemplar": 0.1,
        "p_matched_exemplar": 0.1,
    },
}


def main() -> int:
    arguments = parser_of("Measure the sampler.").parse_args()
    show(measure(), arguments.json)
    return 0


def measure(
    turns: int = TURNS,
    settings: tuple[str, ...] = tuple(SETTINGS),
    num_classes: tuple[int, ...] = NUM_CLASSES,
) -> Figures:
    """Throughput of each setting, then growth of the cost with the number of classes."""
    tasks = {name: _task(_data(**SETTINGS[name])) for name in settings}
    tasks |= {f"{n} classes": _task(_data(num_classes=n, zipf_exponent=1.0)) for n in num_classes}
    for task in tasks.values():
        task()  # compiles
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(turns):
        for name, task in tasks.items():
            times[name].append(task())
    seconds = {name: np.array(values) for name, values in times.items()}
    fewest = seconds[f"{num_classes[0]} classes"]
    return {
        f"sequences/s, {name}": median(BATCH * BATCHES / seconds[name]) for name in settings
    } | {
        f"cost of {n} classes / {num_classes[0]}": median(seconds[f"{n} classes"] / fewest)
        for n in num_classes[1:]
    }


def _data(num_classes: int = 1600, **changes: Any) -> DataConfig:
    source = SymbolicSource(num_classes=num_classes + 23)
    return DataConfig(source=source, num_classes=num_classes, **changes)


def _task(data: DataConfig) -> Callable[[], float]:
    """Make a function that measures the seconds of BATCHES batches of BATCH sequences."""
    family = make_families(data)
    chosen = family["bursty"] if data.p_bursty == 1 else family["train"]
    knobs = make_knobs(data, data.num_classes + data.num_holdout_classes, 20)

    @jax.jit
    def loop(knobs: Knobs) -> jax.Array:
        def body(step: jax.Array, total: jax.Array) -> jax.Array:
            key = jax.random.fold_in(jax.random.key(0), step)
            indices = draw_indices(key, chosen, knobs, BATCH)
            # The sum uses all that is drawn; otherwise XLA would not draw it.
            return total + sum(jnp.sum(field) for field in indices)

        return jax.lax.fori_loop(0, BATCHES, body, jnp.int32(0))

    def seconds() -> float:
        start = time.perf_counter()
        loop(knobs).block_until_ready()
        return time.perf_counter() - start

    return seconds


if __name__ == "__main__":
    run_command(main)
