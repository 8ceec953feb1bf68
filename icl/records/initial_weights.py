"""Statistics of the initial weight matrices of runs, as arrays."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from icl.config.claims import WEIGHT_STATISTICS
from icl.records.run_directory import CONNECTIVITY


def load_initial_weights(runs: Sequence[Path]) -> tuple[list[str], dict[str, np.ndarray]]:
    """The names of all matrices, and each of WEIGHT_STATISTICS as [run, matrix], NaN if unknown.

    Both are empty where no run has recorded any yet. A broken file counts as none.
    """
    recorded = [read_initial_weights(run) for run in runs]
    names = sorted({name for of_run in recorded for name in of_run})
    if not names:
        return [], {}
    arrays = {}
    for number in WEIGHT_STATISTICS:
        values = [[of_run.get(name, {}).get(number) for name in names] for of_run in recorded]
        arrays[f"start_{number}"] = np.array(values, dtype=np.float64)  # None is NaN
    return names, arrays


def read_initial_weights(run: Path) -> dict[str, dict[str, float | None]]:
    """The statistics of each matrix of one run, by its name; empty if they are not recorded."""
    try:
        found = json.loads((run / CONNECTIVITY).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
