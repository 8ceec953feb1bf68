"""Statistics of initial weights, to be compared with the result of training."""

from fnmatch import fnmatchcase

import numpy as np
import xarray

from icl.errors import UserError, allowed


def start_of(dataset: xarray.Dataset, name: str, matrix: str) -> xarray.DataArray:
    """A statistic of each cell and seed: its mean over the matrices that a pattern fits.

    NaN for runs that have not recorded it, or lack one of these matrices.

    name: one of `icl.config.claims.WEIGHT_STATISTICS`. matrix: a name, or a pattern of names.

    Raises UserError where all runs have recorded it, and the pattern fits no matrix that has it.
    """
    nothing = xarray.full_like(dataset.status, np.nan, dtype=np.float64)
    if f"start_{name}" not in dataset:
        return nothing
    recorded = dataset[f"start_{name}"].dropna("matrix", how="all")
    names = recorded.matrix.values.tolist()
    chosen = [other for other in names if fnmatchcase(other, matrix)]
    if chosen:
        return recorded.sel(matrix=chosen).mean("matrix", skipna=False)
    if not bool(recorded.notnull().any("matrix").all()):
        return nothing
    raise UserError(f"matrix = {matrix}; {allowed(matrix, names)}, or a pattern of these")
