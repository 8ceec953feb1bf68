"""The files of runs and sweeps: metrics, checkpoints; and reading them back."""

from icl.records.reading import load, local_copy, sweep_names

__all__ = ["load", "local_copy", "sweep_names"]
