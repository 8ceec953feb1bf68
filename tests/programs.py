"""Programs shared among tests, because compiling is most of their time."""

import hashlib

import jax
import numpy as np

from icl.config import AnyConfig
from icl.config.traced import program_of
from icl.problems.base import Problem, Program, make_program

# Tests are spread over processes, one for each core: XLA need not spread its compiler over threads.
# Its older way of writing loops compiles in less than half of the time, and rounds in rare cases
# to other last bits: `tests/golden` asks for the usual way where it compares those.
XLA_FLAGS = "--xla_cpu_parallel_codegen_split_count=1 --xla_cpu_use_fusion_emitters=false"

PROGRAMS: dict[tuple[str, bytes], Program] = {}


def of_any_length(config: AnyConfig) -> AnyConfig:
    """The config with one length, and one time of evaluations and checkpoints, for all.

    No program knows these; `tests/runs/test_engines.py` checks it.
    """
    length = {"num_steps": 1, "stop_below": None, "patience": None}
    parts = {
        "training": config.training.model_copy(update=length),
        "evaluation": config.evaluation.model_copy(update={"every": 1}),
        "checkpoints": type(config.checkpoints)(),
    }
    return config.model_copy(update=parts)


def kept_program(problem: Problem) -> Program:
    """The program of a problem with the same static settings and the same data, made once."""
    data = hashlib.sha256()
    for leaf in jax.tree.leaves(problem.arrays):
        data.update(np.asarray(leaf).tobytes())
    key = program_of(of_any_length(problem.config)), data.digest()
    if key not in PROGRAMS:
        PROGRAMS[key] = make_program(problem)
    return PROGRAMS[key]
