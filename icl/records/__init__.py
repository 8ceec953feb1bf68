"""The files of runs and sweeps, metrics and checkpoints, and reading them back.

`run_directory` and `sweep_directory` write and judge the files, `checkpoints` holds states,
`storage` copies a sweep to shared storage. Importing this package loads neither JAX nor xarray.
"""

from icl.records.reading import load, local_copy, sweep_names

__all__ = ["load", "local_copy", "sweep_names"]
