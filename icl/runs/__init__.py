"""Runs on the host: train, evaluate, record, save, go on after a stop, restore.

`icl.runs.loop` is the training loop, `icl.runs.engines` how a group of runs is computed, and
`icl.runs.restore` reads the state of a run back. Importing this package loads no JAX.
"""

from icl.runs.progress import Progress
from icl.runs.run import train

__all__ = ["Progress", "train"]
