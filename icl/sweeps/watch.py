"""Follow a sweep from another terminal, wherever it runs."""

import time

from icl.records import local_copy
from icl.records.sweep_directory import SweepDirectory, list_grids, sweep_of
from icl.sweeps.progress import Ended, SweepProgress

SECONDS_BETWEEN_LOOKS = 2.0


def watch(out: str) -> Ended:
    """Show the progress of all cells until none remains. Only reads; Ctrl+C ends it.

    Returns the cells by how they ended: `finished` or `diverged`.

    out: the folder of a sweep, or its address in shared storage.

    Raises UserError where `out` is not the folder of a sweep.
    """
    store, progress = local_copy(out), SweepProgress()
    store.check_is_sweep()
    directory = SweepDirectory(store.local)
    sweeps = [sweep_of(store.local, name) for name in list_grids(store.local)]
    with progress.sweep(directory, sweeps):
        while not progress.is_over:
            time.sleep(SECONDS_BETWEEN_LOOKS)
            store.fetch_records()
            progress.look()
    return progress.finished(store.out)
