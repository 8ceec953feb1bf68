"""The description of a run on any problem: its parameters, initial weights and a picture."""

from typing import Any

import numpy as np

from icl.analysis.figures.shown import draw_shown
from icl.config import AnyConfig
from icl.probes.weight_statistics import measure_matrix, stability_warning
from icl.problems.base import Program
from icl.problems.cost import count_parameters
from icl.problems.load import load_program


def describe_program(config: AnyConfig) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Numbers as JSON has them, and pictures by name of file.

    Raises UserError where data are not available, or connectivity is impossible.
    """
    program = load_program(config)
    counts = count_parameters(program.shapes.variables.params)
    numbers = {
        "config": config.model_dump(mode="json"),
        "num_parameters": {"total": sum(counts.values()), **counts},
        **describe_weights(config, initial_matrices(program, config)),
    }
    shown = program.problem.shown(config, program.inputs(config))
    return numbers, {f"{shown.kind}.png": draw_shown(shown)}


def initial_matrices(program: Program, config: AnyConfig) -> dict[str, np.ndarray]:
    """The weight matrices of a run before training, by name."""
    state = program.init(program.inputs(config))
    return {name: np.asarray(matrix) for name, matrix in program.matrices(state).items()}


def describe_weights(config: AnyConfig, matrices: dict[str, np.ndarray]) -> dict[str, Any]:
    """Statistics of each matrix, and a warning where activity or gradients may grow."""
    weights = {name: measure_matrix(matrix) for name, matrix in matrices.items()}
    return {"weights": weights, "warning": stability_warning(config.model.kind, weights)}
