"""Sweeps on a Ray cluster: any node may run a job, and Ray repeats the jobs of a lost node.

A job that is repeated goes on from the last checkpoints in the shared storage. The driver may die
too: the next one reads the storage and goes on.
"""

import logging
import os
import socket
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import cache
from typing import Any

from icl.config.parts import load_installed
from icl.errors import UserError, first_line
from icl.records.storage import Store
from icl.records.sweep_directory import CELLS_FOLDER
from icl.sweeps.plan import Job
from icl.sweeps.programs import ProgramCache
from icl.sweeps.worker import Worker

# Variables that workers get from the driver, to find data and caches.
FORWARDED = ("ICL_OMNIGLOT_DIR", "ICL_CACHE_DIR", "JAX_PLATFORMS", "XLA_FLAGS", "WANDB_MODE")
SECONDS_TO_ANSWER = 10.0
PATIENCE = 120.0  # seconds in which a worker that lost its driver releases its cells


class Cluster:
    """A connection to a Ray cluster, as an executor of `icl.sweeps.run.run_sweeps`.

    As a context manager it ends the connection, and with it the jobs that still run.

    address: the cluster's, or auto: the cluster that this machine is part of.

    Raises UserError where no cluster answers or Ray is not installed.
    """

    def __init__(self, address: str, store: Store):
        try:
            import ray
        except ImportError:
            raise UserError(
                f'--ray = {address}: needs Ray; allowed after: pip install -e ".[cluster]"'
            ) from None
        _check_reachable(address)
        environment = {name: os.environ[name] for name in FORWARDED if name in os.environ}
        try:
            ray.init(
                address=address,
                runtime_env={"env_vars": environment},
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        except Exception as error:  # Ray raises nearly anything
            raise _unreachable(address, error) from None
        self._ray, self._out = ray, store.out if store.is_remote else str(store.local)
        resources = ray.cluster_resources()
        self.num_gpus = int(resources.get("GPU", 0))
        # Jobs at a time.
        self.num_workers = self.num_gpus or max(int(resources.get("CPU", 1)), 1)

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *_: object) -> None:
        self._ray.shutdown()

    @property
    def engine(self) -> str:
        """The faster one on the cluster's kind of device."""
        return "vmap" if self.num_gpus else "threads"

    def __call__(self, jobs: Sequence[Job], received: list[int]) -> list[Future[None]]:
        """Send jobs; each takes a GPU if the cluster has any, and a core if not."""
        needs: dict[str, Any] = {"num_gpus": 1} if self.num_gpus else {"num_cpus": 1}
        work = self._ray.remote(max_retries=-1, **needs)(_work)
        return [work.remote(self._out, job).future() for job in jobs]


def _check_reachable(address: str) -> None:
    """Raise UserError where nobody answers: Ray itself would take minutes to notice."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host:
        return
    try:
        socket.create_connection((host, int(port)), timeout=SECONDS_TO_ANSWER).close()
    except (OSError, ValueError, OverflowError) as error:
        raise _unreachable(address, error) from None


def _unreachable(address: str, error: Exception) -> UserError:
    reason = first_line(error)
    return UserError(
        f"--ray = {address}: no cluster to be reached ({reason}); allowed: auto, "
        "HOST:PORT or ray://HOST:PORT of one that runs"
    )


def _work(out: str, job: Job) -> None:
    """Train the cells of a job in a worker, in the storage that all nodes share."""
    load_installed()
    store = Store(out)
    cells = []
    for path, config in job.cells:
        if store.is_remote:
            store.fetch_cell(path.name)
        cells.append((store.local / CELLS_FOLDER / path.name, config))
    job = replace(job, cells=tuple(cells), patience=PATIENCE)
    Worker(_programs(), [], store.pushed).run(job)


@cache
def _programs() -> ProgramCache:
    """The programs of this worker process.

    Ray runs one job after another in a process and passes nothing from one to the next. So only the
    module can keep programs and their compiled functions for later jobs.
    """
    return ProgramCache()
