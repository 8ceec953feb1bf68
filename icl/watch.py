"""Follow a sweep from another terminal, wherever it runs."""

import time

from icl.records.storage import Store
from icl.records.sweep_directory import SweepDirectory, sweep_names, sweep_of
from icl.records.sweep_file import cells_of
from icl.sweep_progress import SweepProgress

SECONDS_BETWEEN_LOOKS = 2.0


def watch(out: str) -> None:
    """Show how far the cells are until none is left to do. Only reads; end it with Ctrl+C.

    Raises UserError where `out` is not the folder of a sweep.
    """
    store, progress = Store(out), SweepProgress()
    store.fetch_records()
    directory = SweepDirectory(store.local)
    sweeps = [sweep_of(store.local, name) for name in sweep_names(store.local)]
    cells = cells_of(sweeps)
    with progress.sweep(directory, cells):
        while not progress.is_over:
            time.sleep(SECONDS_BETWEEN_LOOKS)
            store.fetch_records()
            progress.look()
    progress.finished(directory, cells)
