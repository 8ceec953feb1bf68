"""Grids of runs: plan jobs, train them here or on a cluster, estimate and follow.

`icl.sweeps.dry_run` estimates what a sweep would take, `icl.sweeps.watch` follows one from
another terminal. Importing this package does not load the networks.
"""

from icl.sweeps.progress import SweepProgress
from icl.sweeps.run import run_sweeps

__all__ = ["SweepProgress", "run_sweeps"]
