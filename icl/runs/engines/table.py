"""The engines by name, and which one suits this machine."""

import os
from collections.abc import Callable

import jax

from icl.runs.engines.base import Engine
from icl.runs.engines.lanes import LanesEngine
from icl.runs.engines.single import SingleEngine
from icl.runs.engines.spread import SpreadEngine

# By name: (program, inputs of each run, compilations to share or None) to an engine.
ENGINES: dict[str, Callable[..., Engine]] = {
    "threads": SingleEngine,
    "vmap": LanesEngine,
    "spread": SpreadEngine,
}


def default_engine() -> str:
    """The faster one on this machine's kind of device."""
    return "threads" if jax.default_backend() == "cpu" else "vmap"


def num_workers(engine: str) -> int:
    """Number of groups computed at a time: one group of lanes, or a single run per core."""
    if engine == "vmap":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
