"""One run over several processes, on one host or many.

All processes make the same steps. The first one writes to the run's folder. Each of the others
writes to a temporary copy of that folder, which is deleted at the end.
"""

import contextlib
import io
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import jax
from jax.experimental import multihost_utils

from icl.config import AnyConfig
from icl.errors import UserError, first_line
from icl.runs.options import DEFAULTS, Options
from icl.runs.progress import Progress
from icl.runs.run import train


def run_distributed(
    config: AnyConfig,
    out: str,
    progress: Progress,
    options: Options = DEFAULTS,
) -> None:
    """Train on all devices of all processes that were started with the same command.

    Only the first process has loggers.

    Processes find each other through a scheduler that JAX knows (Slurm, Open MPI, Kubernetes, a
    TPU pod), or through JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID. Without
    either, one process trains alone. All processes must see the folder `out`.

    Raises UserError where the processes do not find each other.
    """
    _initialize()
    if jax.process_index() == 0:
        multihost_utils.sync_global_devices("copied")
        train(config, out, progress, "spread", options)
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "run"
        if Path(out).exists():
            shutil.copytree(out, copy, ignore=shutil.ignore_patterns(".lock"))
        multihost_utils.sync_global_devices("copied")
        progress.console.quiet = True
        with contextlib.redirect_stdout(io.StringIO()):
            train(config, copy, progress, "spread", replace(options, loggers=()))


def _initialize() -> None:
    address = os.environ.get("JAX_COORDINATOR_ADDRESS")
    if address is None and jax.distributed.is_initialized():
        return
    try:
        count, index = (
            int(os.environ[name]) if name in os.environ else None
            for name in ("JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
        )
        if address is None and not any(name in os.environ for name in SCHEDULERS):
            return
        jax.distributed.initialize(address, count, index)
    except (ValueError, RuntimeError) as error:
        reason = first_line(error)
        raise UserError(
            f"JAX_COORDINATOR_ADDRESS = {address or ''}: the processes do not find each other "
            f"({reason}); allowed: HOST:PORT of the first, with JAX_NUM_PROCESSES and "
            "JAX_PROCESS_ID in each"
        ) from None


# Variables that the schedulers known to JAX set for a process.
SCHEDULERS = ("SLURM_JOB_ID", "OMPI_MCA_orte_hnp_uri", "KUBERNETES_SERVICE_HOST", "TPU_WORKER_ID")
