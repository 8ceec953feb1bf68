"""The description of a run on sequences: numbers and pictures."""

import itertools
from typing import Any

import numpy as np

from icl.analysis.figures.distribution import draw_distribution
from icl.analysis.figures.sequences import draw_rows
from icl.analysis.figures.spectra import draw_spectra
from icl.config import ExperimentConfig
from icl.description.any_problem import initial_matrices
from icl.description.sequences import describe
from icl.models.initial.connectivity import fitting
from icl.problems.load import load_program

MAX_SPECTRA = 8


def describe_sequences(config: ExperimentConfig) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Numbers as JSON has them, and pictures by name of file.

    Raises UserError where the source or the embedder is not available, or connectivity is
    impossible.
    """
    description = describe(config)
    pictures = {
        "examples.png": draw_rows(description.rows),
        "distribution.png": draw_distribution(description.report, description.entropies),
    }
    if spectra := _configured_matrices(config):
        pictures["spectrum.png"] = draw_spectra(spectra)
    return description.report, pictures


def _configured_matrices(config: ExperimentConfig) -> dict[str, np.ndarray]:
    """The first square matrices that `connectivity` sets, before training."""
    if not config.connectivity:
        return {}
    chosen = {
        name: matrix
        for name, matrix in initial_matrices(load_program(config), config).items()
        if matrix.shape[0] == matrix.shape[1] and fitting(name, config.connectivity) is not None
    }
    return dict(itertools.islice(chosen.items(), MAX_SPECTRA))
