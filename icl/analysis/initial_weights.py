"""What weights begin as, beside what becomes of them."""

from fnmatch import fnmatchcase

import numpy as np
import xarray

from icl.errors import UserError


def start_of(dataset: xarray.Dataset, name: str, matrix: str) -> xarray.DataArray:
    """A number of STARTS, of each cell and seed: the mean over the matrices that a pattern fits.

    NaN of runs that have not told it, or lack one of these matrices. Raises UserError where all
    have told, and the pattern fits no matrix that has the number.
    """
    nothing = xarray.full_like(dataset.status, np.nan, dtype=np.float64)
    if f"start_{name}" not in dataset:
        return nothing
    told = dataset[f"start_{name}"].dropna("matrix", how="all")
    names = told.matrix.values.tolist()
    chosen = [other for other in names if fnmatchcase(other, matrix)]
    if chosen:
        return told.sel(matrix=chosen).mean("matrix", skipna=False)
    if not bool(told.notnull().any("matrix").all()):
        return nothing
    raise UserError(f"matrix = {matrix}; allowed: {', '.join(names)}, or a pattern of these")
