"""What a sweep would do: cells, packs, parameters, and how long it would take."""

import statistics
import sys
import time
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from icl.config.traced import program_of
from icl.data.exemplars.on_device import example_items
from icl.description.cost import network_costs
from icl.experiment import SequenceProgram
from icl.loading import load_program
from icl.packs import default_engine, num_workers
from icl.program import Program
from icl.records.sweep_directory import SweepDirectory, status_of
from icl.records.sweep_file import Cell, Sweep, cells_of
from icl.task_experiment import TaskProgram

MAX_CELLS_SHOWN = 20
STEPS, TURNS = 20, 3  # of the short measurement


def dry_run(sweeps: Sequence[Sweep], out: str, engine: str) -> None:
    """Print it. Trains some steps of the first program, and writes nothing.

    The time of other programs is that of the first by the ratio of their operations.
    """
    engine = default_engine() if engine == "auto" else engine
    directory = SweepDirectory(out)
    cells = cells_of(sweeps)
    statuses = {cell.digest: status_of(directory.cell_path(cell)) for cell in cells}
    # In a file or a pipe, lines are as long as they are.
    console = Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else 200)
    console.print(_cell_table(cells, statuses))
    to_do = [cell for cell in cells if statuses[cell.digest] in ("missing", "partial")]
    groups: dict[str, list[Cell]] = {}
    for cell in to_do:
        groups.setdefault(program_of(cell.config), []).append(cell)
    told = f"{len(cells)} cells, {len(to_do)} to do, in {len(groups)} programs"
    if not groups:
        console.print(told)
        return
    table = Table("program", "cells", "packs", "parameters", "memory of a run", "time", box=SIMPLE)
    seconds_per_flop, total = None, 0.0
    for name, members in groups.items():
        config = members[0].config
        program = load_program(config)
        flops, memory = _costs(program)
        if seconds_per_flop is None:
            seconds_per_flop = measure_step(program) / flops
        seconds = seconds_per_flop * flops * config.training.num_steps * len(members)
        total += seconds
        packs = len(members) if engine == "threads" else 1
        table.add_row(
            name[:8],
            str(len(members)),
            str(packs),
            f"{program.num_parameters:,}",
            f"{memory / 2**20:.0f} MiB",
            _duration(seconds / num_workers(engine)),
        )
    console.print(table)
    console.print(f"{told}; about {_duration(total / num_workers(engine))} with engine {engine},")
    console.print("without compiling and evaluating, if runs side by side do not slow each other")


def _costs(program: Program) -> tuple[float, float]:
    """Operations of a training step, and bytes of a run."""
    batch_size = program.config.training.batch_size
    if isinstance(program, SequenceProgram):
        costs = network_costs(program.config, example_items(program.config.data, program.exemplars))
        memory = costs["memory_per_sequence_bytes"] * batch_size
        flops = costs["training_flops_per_sequence"] * batch_size
        return float(flops), float(_state_bytes(program) + memory)
    assert isinstance(program, TaskProgram)
    arguments = program.shapes, jnp.int32(1), program.inputs(program.config), program.arrays
    compiled = program.train.lower(*arguments).compile()  # type: ignore[attr-defined]
    memory = compiled.memory_analysis().temp_size_in_bytes
    # Of each step of a trial, each parameter multiplies once forward and twice backward.
    flops = 6 * program.num_parameters * batch_size * program.task.num_steps
    return float(flops), float(_state_bytes(program) + memory)


def measure_step(program: Program) -> float:
    """Seconds of a training step, from a few of them."""
    inputs, stop, seconds = program.inputs(program.config), 1, []
    state = program.train(program.init(inputs), jnp.int32(stop), inputs, program.arrays)
    jax.block_until_ready(state)
    for _ in range(TURNS):
        stop += STEPS
        start = time.perf_counter()
        state = program.train(state, jnp.int32(stop), inputs, program.arrays)
        jax.block_until_ready(state)
        seconds.append((time.perf_counter() - start) / STEPS)
    return statistics.median(seconds)


def _cell_table(cells: Sequence[Cell], statuses: dict[str, str]) -> Table:
    table = Table("cell", "settings", "status", box=SIMPLE)
    for cell in cells[:MAX_CELLS_SHOWN]:
        table.add_row(cell.digest, cell.text, statuses[cell.digest])
    if len(cells) > MAX_CELLS_SHOWN:
        table.add_row("...", f"and {len(cells) - MAX_CELLS_SHOWN} more", "")
    return table


def _state_bytes(program: Program) -> int:
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(program.shapes))


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
