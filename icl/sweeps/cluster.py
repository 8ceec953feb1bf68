"""Sweeps on a Ray cluster: tasks go to whatever nodes there are, and again if one is lost.

A task that is sent once more, because its worker or node died, goes on from the last checkpoint
in the shared storage. The driver may die too: the next one looks at the storage and goes on.
"""

import logging
import os
import socket
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from icl.errors import UserError
from icl.records.storage import Store
from icl.records.sweep_directory import CELLS
from icl.sweeps.plan import Job
from icl.sweeps.worker import run_job

# Of the driver's environment, what workers need to find data and caches.
FORWARDED = ("ICL_OMNIGLOT_DIR", "ICL_CACHE_DIR", "JAX_PLATFORMS", "XLA_FLAGS", "WANDB_MODE")
SECONDS_TO_ANSWER = 10.0
PATIENCE = 120.0  # seconds for a worker that lost its driver to let go of a cell


class Cluster:
    """A connection to a Ray cluster, as an executor of `icl.sweeps.run.run_sweeps`.

    address: of the cluster, or auto: the one that this machine is part of.
    Raises UserError where there is none, or Ray is not installed.
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
        # Packs that go on at a time.
        self.num_workers = self.num_gpus or max(int(resources.get("CPU", 1)), 1)

    @property
    def engine(self) -> str:
        """The faster one on the cluster's kind of device."""
        return "vmap" if self.num_gpus else "threads"

    def __call__(self, tasks: Sequence[Job], received: list[int]) -> list[Future[None]]:
        """Send tasks; each takes a GPU if the cluster has any, and a core if not."""
        needs: dict[str, Any] = {"num_gpus": 1} if self.num_gpus else {"num_cpus": 1}
        work = self._ray.remote(max_retries=-1, **needs)(_work)
        return [work.remote(self._out, task).future() for task in tasks]


def _check_reachable(address: str) -> None:
    """Raise UserError where nobody answers, which Ray itself would take minutes to find out."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host:
        return
    try:
        socket.create_connection((host, int(port)), timeout=SECONDS_TO_ANSWER).close()
    except (OSError, ValueError, OverflowError) as error:
        raise _unreachable(address, error) from None


def _unreachable(address: str, error: Exception) -> UserError:
    reason = (str(error) or type(error).__name__).split("\n")[0][:200]
    return UserError(
        f"--ray = {address}: no cluster to be reached ({reason}); allowed: auto, "
        "HOST:PORT or ray://HOST:PORT of one that runs"
    )


def _work(out: str, task: Job) -> None:
    """In a worker: the cells of a task, in the storage that all nodes share."""
    store = Store(out)
    cells = []
    for path, config in task.cells:
        if store.is_remote:
            store.fetch_cell(path.name)
        cells.append((store.local / CELLS / path.name, config))
    run_job(replace(task, cells=tuple(cells), patience=PATIENCE), [], store.pushed)
