"""Trains grids of runs: here in threads, or on a cluster, until no cell remains."""

import concurrent.futures
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from icl.config import AnyConfig
from icl.config.grid import Cell, Sweep, cells_of
from icl.config.traced import program_of
from icl.config.used_parts import check_for_workers
from icl.errors import Interrupted
from icl.records.storage import Store
from icl.records.sweep_directory import SweepDirectory, status_of
from icl.runs.loggers import check_loggers
from icl.runs.options import DEFAULTS, Options
from icl.runs.signals import deferred_signals
from icl.sweeps.plan import Job, labelled, plan
from icl.sweeps.progress import Ended, SweepProgress

if TYPE_CHECKING:
    from icl.sweeps.cluster import Cluster
    from icl.sweeps.programs import ProgramCache

SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_BETWEEN_FETCHES = 15.0  # of records that workers elsewhere wrote to shared storage
# Starts jobs: (jobs, signals received so far) to their futures.
Executor = Callable[[Sequence[Job], list[int]], list[Future[None]]]


def run_sweeps(
    sweeps: Sequence[Sweep],
    store: Store,
    progress: SweepProgress,
    engine: str = "auto",
    options: Options = DEFAULTS,
    cluster: "Cluster | None" = None,
) -> Ended:
    """Train all cells that are not finished; finished cells are left as they are.

    Returns the cells by how they ended: `finished` or `diverged`.

    engine: one of `icl.runs.engines.table.ENGINES`, or auto: the faster one on this machine.
    options: how runs are made. Raises UserError, before anything is written, where other source
        code trained cells and `other_code` does not permit it.
    cluster: where to train; None: in this process.

    Raises UserError for what a user can correct, Interrupted after a signal.
    """
    # The libraries of networks take seconds to load: not for those who only follow a sweep.
    from icl.runs.engines.table import default_engine
    from icl.sweeps.programs import ProgramCache

    if engine == "auto":
        engine = cluster.engine if cluster else default_engine()
    directory = SweepDirectory(store.local)
    cells, programs = cells_of(sweeps), ProgramCache()
    check_loggers(options.loggers)
    if not store.is_remote:  # else the files are not here yet
        directory.check_code(cells, options.other_code)
    if cluster is None:  # the nodes of a cluster have the data, this machine perhaps not
        _check_cells(directory, cells, programs)
    else:
        check_for_workers((cell.config for cell in cells), options.loggers)
    store.create_root()
    with directory.held(sweeps), deferred_signals(progress.say) as received:
        store.fetch(cells)
        for cell in cells:
            quarantined = directory.repair(cell)
            if quarantined is not None:
                store.forget(cell)
                progress.say(
                    f"{cell.text}: corrupt, trained again; the old files are in {quarantined}"
                )
        for note in directory.check_code(cells, options.other_code):
            progress.say(note)
        store.push_grids()
        execute = cluster or _local(engine, store, programs)
        num_devices = cluster.num_gpus if cluster else 1
        with progress.sweep(directory, sweeps):
            jobs = plan(directory, cells, engine, options, num_devices)
            jobs = labelled(jobs, sweeps, options) if options.loggers else jobs
            _wait(execute(jobs, received), received, progress, store, cluster)
        return progress.finished(store.out)


def _check_cells(
    directory: SweepDirectory, cells: Iterable[Cell], programs: "ProgramCache"
) -> None:
    """Estimate memory, load the data and try the initial connectivity of the cells to train.

    Raises UserError, before anything is written.
    """
    from icl.problems.memory import check_memory

    directory.check()
    sources: dict[str, AnyConfig] = {}
    connected: dict[str, dict[str, AnyConfig]] = {}  # by program, a config of each connectivity
    for cell in cells:
        if status_of(directory.cell_path(cell)) in ("missing", "partial"):
            config = cell.config
            check_memory(config)
            sources.setdefault(repr(config.source), config)
            if config.connectivity:
                of_program = connected.setdefault(program_of(config), {})
                of_program.setdefault(repr(config.connectivity), config)
    for of_program in connected.values():
        for config in of_program.values():
            programs.get(config)[0].inputs(config)
    for config in reversed(sources.values()):  # the first, trained first, is among those kept
        programs.get(config)


def _local(engine: str, store: Store, programs: "ProgramCache") -> Executor:
    """Run jobs in this process, in as many threads as the engine takes."""
    from icl.runs.engines.table import num_workers
    from icl.sweeps.worker import Worker

    pool = ThreadPoolExecutor(num_workers(engine))

    def execute(jobs: Sequence[Job], received: list[int]) -> list[Future[None]]:
        worker = Worker(programs, received, store.pushed)

        def run(job: Job) -> None:
            if not received:
                worker.run(job)

        return [pool.submit(run, job) for job in jobs]

    return execute


def _wait(
    futures: list[Future[None]],
    received: list[int],
    progress: SweepProgress,
    store: Store,
    cluster: "Cluster | None",
) -> None:
    """Wait until all jobs are done. The first error is raised once the other jobs have ended."""
    waiting, looked = set(futures), time.monotonic()
    try:
        # A cluster's workers receive no signal: they end with the driver.
        while waiting and not (cluster and received):
            # For a short time: signals reach the main thread only while it runs Python.
            done, waiting = concurrent.futures.wait(waiting, SECONDS_BETWEEN_LOOKS)
            if cluster and time.monotonic() - looked > SECONDS_BETWEEN_FETCHES:
                store.fetch_records()
                looked = time.monotonic()
            progress.look()
            for future in done:
                future.result()
    except Interrupted:
        pass  # raised below, when all have saved
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
