"""Grids of runs: what is to be done, by whom, and until all of it is."""

import concurrent.futures
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from icl.config import AnyConfig
from icl.config.grid import Cell, Sweep, cells_of
from icl.config.traced import program_of
from icl.errors import Interrupted
from icl.records.storage import Store
from icl.records.sweep_directory import SweepDirectory, status_of
from icl.runs.engines.table import default_engine, num_workers
from icl.runs.loggers import check_loggers
from icl.runs.loop import deferred_signals
from icl.sweeps.cluster import Cluster
from icl.sweeps.plan import Job, plan
from icl.sweeps.progress import SweepProgress
from icl.sweeps.worker import program_for, run_job

SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_BETWEEN_FETCHES = 15.0  # of what workers elsewhere wrote to shared storage
# Of a group of tasks: (tasks, signals received so far) to their futures.
Executor = Callable[[Sequence[Job], list[int]], list[Future[None]]]


def run_sweeps(
    sweeps: Sequence[Sweep],
    store: Store,
    progress: SweepProgress,
    engine: str = "auto",
    loggers: tuple[str, ...] = (),
    cluster: Cluster | None = None,
) -> None:
    """Train all cells that are not finished; those that are stay as they are.

    engine: of `icl.runs.engines.table.ENGINES`, or auto: the faster one on this machine.
    cluster: to train on; None: this process.

    Raises UserError for what a user can mend, Interrupted after a signal.
    """
    if engine == "auto":
        engine = cluster.engine if cluster else default_engine()
    directory = SweepDirectory(store.local)
    cells = cells_of(sweeps)
    check_loggers(loggers)
    if cluster is None:  # whose nodes have the data, this machine perhaps not
        _check_cells(directory, cells)
    store.hold_place()
    with directory.held(sweeps), deferred_signals(progress.say) as received:
        store.fetch(cells)
        for cell in cells:
            aside = directory.mend(cell)
            if aside is not None:
                store.forget(cell)
                progress.say(f"{cell.text}: corrupt, made anew; what there was is in {aside}")
        store.push_grids()
        execute = cluster or _local(engine, store)
        num_devices = cluster.num_gpus if cluster else 1
        with progress.sweep(directory, sweeps):
            tasks = plan(directory, cells, engine, loggers=loggers, num_devices=num_devices)
            _wait(execute(tasks, received), received, progress, store, cluster)
        progress.finished(store.out)


def _check_cells(directory: SweepDirectory, cells: Iterable[Cell]) -> None:
    """Load the data of cells to be trained, and try what their weights are to begin as, before
    anything is written. Raises UserError.
    """
    directory.check()
    sources: dict[str, AnyConfig] = {}
    starts: dict[str, dict[str, AnyConfig]] = {}  # by program
    for cell in cells:
        if status_of(directory.cell_path(cell)) in ("missing", "partial"):
            config = cell.config
            sources.setdefault(repr(config.source), config)
            if config.connectivity:
                of_program = starts.setdefault(program_of(config), {})
                of_program.setdefault(repr(config.connectivity), config)
    for of_program in starts.values():
        for config in of_program.values():
            program_for(config).inputs(config)
    for config in reversed(sources.values()):  # the first is the first that is trained: it is kept
        program_for(config)


def _local(engine: str, store: Store) -> Executor:
    """This process: as many threads as the engine takes."""
    pool = ThreadPoolExecutor(num_workers(engine))

    def execute(tasks: Sequence[Job], received: list[int]) -> list[Future[None]]:
        def run(task: Job) -> None:
            if not received:
                run_job(task, received, store.pushed)

        return [pool.submit(run, task) for task in tasks]

    return execute


def _wait(
    futures: list[Future[None]],
    received: list[int],
    progress: SweepProgress,
    store: Store,
    cluster: Cluster | None,
) -> None:
    """Until all tasks are done. The first mistake is raised once the others have ended."""
    waiting, looked = set(futures), time.monotonic()
    try:
        # A cluster's workers hear of no signal: they end with the driver.
        while waiting and not (cluster and received):
            # In short turns: signals reach the main thread only while it runs Python.
            done, waiting = concurrent.futures.wait(waiting, SECONDS_BETWEEN_LOOKS)
            if cluster and time.monotonic() - looked > SECONDS_BETWEEN_FETCHES:
                store.fetch_records()
                looked = time.monotonic()
            progress.look()
            for future in done:
                future.result()
    except Interrupted:
        pass  # said below, when all have saved
    except BaseException:
        received.append(0)  # the others save and end
        raise
    finally:
        for future in waiting:
            future.cancel()
        if not cluster:
            concurrent.futures.wait(waiting)
    if received:
        raise Interrupted(received[0], 0)
    if cluster:
        store.fetch_records()
