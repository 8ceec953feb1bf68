"""Preview of a sweep: its cells, jobs and parameters, and the time and memory they would take."""

import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
from rich.box import SIMPLE
from rich.table import Table

from icl.analysis.printing import Printer, print_table
from icl.config.grid import Cell, Sweep, cells_of
from icl.config.traced import program_of
from icl.problems.base import Program
from icl.problems.load import load_program
from icl.problems.memory import check_memory, device_memory, host_memory
from icl.problems.own_settings import own_settings
from icl.records.run_directory import step_of
from icl.records.storage import Store
from icl.records.sweep_directory import SweepDirectory, status_of
from icl.runs.engines.base import memory_of
from icl.runs.engines.lanes import LanesEngine
from icl.runs.engines.table import default_engine, num_workers
from icl.sweeps.cluster import Cluster
from icl.sweeps.plan import Job, plan

MAX_CELLS_SHOWN = 20
STEPS, TURNS = 20, 3  # of the short measurement


class Measured(NamedTuple):
    """Measurements of the first job, run beside as many others as run at a time in the sweep.

    seconds: time of a step of all these runs, divided by their number.
    memory: bytes of one run.
    at_most: the number of runs of a job that fit into memory.
    """

    seconds: float
    memory: float
    at_most: int


@own_settings()
def dry_run(
    sweeps: Sequence[Sweep], store: Store, engine: str, cluster: Cluster | None = None
) -> None:
    """Print what a sweep would do. Trains some steps of the first job; writes nothing.

    Time and memory of other programs are estimated from the first, by the ratio of what their
    networks need.

    Raises UserError where the sweep itself would, as far as that is known without writing.
    """
    if engine == "auto":
        engine = cluster.engine if cluster else default_engine()
    directory = SweepDirectory(store.local)
    directory.check()
    store.fetch_records()
    cells = cells_of(sweeps)
    statuses = {cell.digest: status_of(directory.cell_path(cell)) for cell in cells}
    # A file or a pipe has no width to fit.
    console = Printer(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else 200)
    print_table(console, _cell_table(cells, statuses))
    to_do = [cell for cell in cells if statuses[cell.digest] in ("missing", "partial")]
    jobs = plan(directory, to_do, engine, num_devices=cluster.num_gpus if cluster else 1)
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        groups.setdefault(program_of(job.cells[0][1]), []).append(job)
    counts = f"{len(cells)} cells, {len(to_do)} to do, in {len(groups)} programs"
    if not groups:
        console.print(counts)
        return
    workers = cluster.num_workers if cluster else num_workers(engine)
    lengths = {cell.digest: _steps_left(cell, directory) for cell in to_do}
    columns = ("program", "cells", "groups", "runs at a time", "parameters", "memory", "time")
    table = Table(*columns, box=SIMPLE)
    first: tuple[Measured, float, float] | None = None
    total = most = 0.0
    for name, members in groups.items():
        check_memory(members[0].cells[0][1])
        program = load_program(members[0].cells[0][1])
        flops, memory = _costs(program)
        if first is None:
            first = time_steps(program, members, engine), flops, memory
        measured, own_flops, own_memory = first
        steps = sum(lengths[path.name] for job in members for path, _ in job.cells)
        seconds = measured.seconds * flops / own_flops * steps
        if cluster:  # measured on this machine, with all of its workers busy
            seconds *= num_workers(engine) / workers
        sizes = [len(job.cells) for job in members]
        together = min(len(members), num_workers(engine)) * min(max(sizes), measured.at_most)
        needed = measured.memory * memory / own_memory * together
        total, most = total + seconds, max(most, needed)
        table.add_row(
            name[:8],
            str(sum(sizes)),
            str(sum(math.ceil(size / measured.at_most) for size in sizes)),
            str(together),
            f"{program.num_parameters:,}",
            f"{needed / 2**20:.0f} MiB",
            _duration(seconds),
        )
    print_table(console, table)
    where = f" on {workers} workers as fast as this machine's" if cluster else ""
    console.print(f"{counts}; about {_duration(total)} with engine {engine}{where},")
    console.print(f"without compiling and evaluating; {format_memory(most, engine)}")


def time_steps(program: Program, jobs: Sequence[Job], engine: str) -> Measured:
    """Time some steps of the first job: alone, or beside as many others as there are workers."""
    configs = [config for _, config in jobs[0].cells]
    inputs = [program.inputs(config) for config in configs]
    states = [program.init(own) for own in inputs]
    if engine == "vmap":
        try:
            lanes = LanesEngine(program, inputs)
            placed = [lanes.place(states)]

            def train(stop: int) -> None:
                placed[0] = lanes.train(placed[0], stop)

            size = len(inputs)
            return Measured(_median_step(train) / size, lanes.memory / size, size)
        except RuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error) or len(inputs) == 1:
                raise
            half = jobs[0].cells[: len(inputs) // 2]  # as the sweep itself does
            return time_steps(program, [replace(jobs[0], cells=half)], engine)
    arguments = program.shapes, jnp.int32(0), inputs[0], program.arrays
    compiled = program.train.lower(*arguments).compile()  # type: ignore[attr-defined]
    count = min(len(jobs), num_workers(engine))
    beside = [program.init(inputs[0]) for _ in range(count)]
    with ThreadPoolExecutor(count) as pool:

        def train_all(stop: int) -> None:
            def one(i: int) -> None:
                state = compiled(beside[i], jnp.int32(stop), inputs[0], program.arrays)
                beside[i] = jax.block_until_ready(state)

            list(pool.map(one, range(count)))

        return Measured(_median_step(train_all) / count, memory_of(compiled), 1)


def _median_step(train: Callable[[int], None]) -> float:
    """Median seconds of a step. train: called with the step to train until."""
    train(stop := 1)
    seconds = []
    for _ in range(TURNS):
        start = time.perf_counter()
        train(stop := stop + STEPS)
        seconds.append((time.perf_counter() - start) / STEPS)
    return statistics.median(seconds)


def _steps_left(cell: Cell, directory: SweepDirectory) -> int:
    """The steps of a cell from its last checkpoint to its end."""
    return max(cell.config.training.num_steps - step_of(directory.cell_path(cell)), 0)


def _costs(program: Program) -> tuple[float, float]:
    """The operations of a training step, and the bytes of a run."""
    cost = program.problem.cost(program)
    return cost.flops, _state_bytes(program) + cost.memory


def _cell_table(cells: Sequence[Cell], statuses: dict[str, str]) -> Table:
    table = Table("cell", "settings", "status", box=SIMPLE)
    for cell in cells[:MAX_CELLS_SHOWN]:
        table.add_row(cell.digest, cell.text, statuses[cell.digest])
    if len(cells) > MAX_CELLS_SHOWN:
        table.add_row("...", f"and {len(cells) - MAX_CELLS_SHOWN} more", "")
    return table


def _state_bytes(program: Program) -> int:
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(program.shapes))


def format_memory(needed: float, engine: str) -> str:
    """The memory needed, beside that of the device or of this machine."""
    total = (device_memory() if engine == "vmap" else None) or host_memory()
    text = f"at most {needed / 2**20:.0f} MiB at a time"
    return f"{text}, of {total / 2**30:.0f} GiB" if total else text


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
