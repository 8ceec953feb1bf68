"""Cost of a program before its first step: python -m benchmarks.compiling.

For the benchmark networks: seconds to trace the training loop and to compile it with an empty and
a warm cache of compiled programs, and memory. JAX's in-memory caches are empty before every
measurement. Figures are medians over turns.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import jax
import jax.numpy as jnp
from jax.experimental.compilation_cache import compilation_cache

from benchmarks.parts import NETWORKS, config_of
from benchmarks.reporting import Figures, median, parser_of, show
from icl.cli.arguments import run_command
from icl.config import ExperimentConfig
from icl.data.sources.load import load_exemplars
from icl.problems.base import make_program
from icl.problems.sequences import make_problem

TURNS = 3


def main() -> int:
    show(measure(), parser_of("Measure tracing and compiling.").parse_args().json)
    return 0


def measure(turns: int = TURNS) -> dict[str, Figures]:
    """Figures by network."""
    return {name: _measure(config_of(words), turns) for name, words in NETWORKS.items()}


def _measure(config: ExperimentConfig, turns: int) -> Figures:
    exemplars = load_exemplars(config.data.source)
    tracing: list[float] = []
    cold: list[float] = []
    warm: list[float] = []
    for _ in range(turns):
        with nothing_kept():
            for seconds in (cold, warm):
                jax.clear_caches()
                program = make_program(make_problem(config, exemplars))
                inputs = program.inputs(config)
                arguments = (program.shapes, jnp.int32(1), inputs, program.arrays)
                begin = time.perf_counter()
                lowered = program.train.lower(*arguments)  # type: ignore[attr-defined]
                tracing.append(time.perf_counter() - begin)
                begin = time.perf_counter()
                compiled = lowered.compile()
                seconds.append(time.perf_counter() - begin)
    memory = compiled.memory_analysis()
    used = memory.temp_size_in_bytes + memory.argument_size_in_bytes
    return {
        "seconds, tracing": median(tracing),
        "seconds, compiling with nothing kept": median(cold),
        "seconds, compiling with the program kept": median(warm),
        "MB of a run, exemplars included": used / 1e6,
    }


@contextmanager
def nothing_kept() -> Iterator[None]:
    """Use an empty cache of compiled programs within this context."""
    before = jax.config.values["jax_compilation_cache_dir"]
    with tempfile.TemporaryDirectory() as folder:
        _keep_programs_in(folder)
        try:
            yield
        finally:
            _keep_programs_in(before)


def _keep_programs_in(folder: str | None) -> None:
    jax.config.update("jax_compilation_cache_dir", folder)
    compilation_cache.reset_cache()  # it reads the folder's name only once


if __name__ == "__main__":
    run_command(main)
