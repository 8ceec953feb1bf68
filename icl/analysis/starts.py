"""What weights begin as, beside what becomes of them."""

from fnmatch import fnmatchcase

import numpy as np
import xarray

from icl.errors import UserError


def start_of(dataset: xarray.Dataset, name: str, matrix: str) -> xarray.DataArray:
    """A number of STARTS, of each cell and seed: the mean over the matrices that a pattern fits.

    NaN where no run has told it yet. Raises UserError for a pattern that fits none.
    """
    if f"start_{name}" not in dataset:
        return xarray.full_like(dataset.status, np.nan, dtype=np.float64)
    names = dataset.matrix.values.tolist()
    chosen = [other for other in names if fnmatchcase(other, matrix)]
    if not chosen:
        raise UserError(f"matrix = {matrix}; allowed: {', '.join(names)}, or a pattern of these")
    return dataset[f"start_{name}"].sel(matrix=chosen).mean("matrix")
