"""The engines by name, and which one suits this machine."""

import os
from collections.abc import Callable, Sequence

import jax

from icl.problems.base import Inputs, Program
from icl.runs.engines.base import Pack
from icl.runs.engines.lanes import make_lanes
from icl.runs.engines.single import make_single
from icl.runs.engines.spread import make_spread

# By name: (program, inputs of each run) to a pack.
ENGINES: dict[str, Callable[[Program, Sequence[Inputs]], Pack]] = {
    "threads": make_single,
    "vmap": make_lanes,
    "spread": make_spread,
}


def default_engine() -> str:
    """The faster one on this machine's kind of device."""
    return "threads" if jax.default_backend() == "cpu" else "vmap"


def num_workers(engine: str) -> int:
    """Packs that go on at a time: single runs, as many as there are cores, or one of many lanes."""
    if engine == "vmap":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
