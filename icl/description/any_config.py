"""The description of any config: its report, and its pictures by name of file."""

import itertools
from typing import Any

import numpy as np

from icl.analysis.figures.distribution import draw_distribution
from icl.analysis.figures.sequences import draw_rows
from icl.analysis.figures.spectra import draw_spectra
from icl.config import AnyConfig, ExperimentConfig, TaskExperimentConfig
from icl.description.sequences import describe
from icl.description.trials import describe_task
from icl.models.initial.connectivity import fitting
from icl.problems.load import load_program

MAX_SPECTRA = 8


def describe_any(config: AnyConfig) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Numbers as JSON has them, and PNGs. Raises UserError for what a user can mend."""
    if isinstance(config, TaskExperimentConfig):
        return describe_task(config)
    description = describe(config)
    pictures = {
        "examples.png": draw_rows(description.rows),
        "distribution.png": draw_distribution(description.report, description.entropies),
    }
    if spectra := _configured_matrices(config):
        pictures["spectrum.png"] = draw_spectra(spectra)
    return description.report, pictures


def _configured_matrices(config: ExperimentConfig) -> dict[str, np.ndarray]:
    """The first square ones that `connectivity` is about, as they begin."""
    if not config.connectivity:
        return {}
    program = load_program(config)
    found = program.matrices(program.init(program.inputs(config)))
    chosen = {
        name: np.asarray(matrix)
        for name, matrix in found.items()
        if matrix.shape[0] == matrix.shape[1] and fitting(name, config.connectivity) is not None
    }
    return dict(itertools.islice(chosen.items(), MAX_SPECTRA))
