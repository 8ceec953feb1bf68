"""Groups of runs, and overhead of sweeps: python -m benchmarks.sweeps [--quick] [--json FILE].

Runs of one program one after another and together; the cost of directories, records and checkpoints
on top of training; loading and reporting a thousand cells. Everything runs within one process, and
both sides of a comparison in turns. Figures are medians over the turns.
"""

import io
import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from unittest.mock import patch

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.compiling import nothing_kept
from benchmarks.reporting import Figures, median, parser_of, show
from icl.analysis.report.make import report
from icl.cli.arguments import run_command
from icl.config.find import CONFIGS
from icl.config.grid import make_sweep
from icl.config.sweeps import SweepConfig
from icl.config.yaml import load_config, read_settings
from icl.problems.base import BoundProgram, Inputs, bind
from icl.problems.load import load_program
from icl.problems.sequences import Program
from icl.records import load
from icl.records.run_directory import METRICS, SUMMARY
from icl.records.storage import Store
from icl.records.sweep_directory import SweepDirectory, status_of
from icl.runs.engines.base import Compilations
from icl.runs.engines.lanes import LanesEngine
from icl.runs.engines.single import SingleEngine
from icl.runs.engines.table import num_workers
from icl.sweeps.plan import Job
from icl.sweeps.programs import ProgramCache
from icl.sweeps.progress import SweepProgress
from icl.sweeps.run import run_sweeps
from icl.sweeps.worker import Worker
from icl.training.step import TrainState

QUICKSTART = CONFIGS / "quickstart.yaml"
NUM_RUNS = (4, 16)
# Steps of each run in a turn, number of turns.
QUICK, THOROUGH = (5, 3), (25, 5)
NUM_CELLS = 1000
SHORT = {"training.num_steps": 40, "evaluation.every": 2}


def main() -> int:
    parser = parser_of("Measure groups of runs and the overhead of sweeps.")
    parser.add_argument("--quick", action="store_true", help="fewer steps and turns")
    arguments = parser.parse_args()
    show(measure(*QUICK if arguments.quick else THOROUGH), arguments.json)
    return 0


def measure(steps: int, turns: int) -> Figures:
    """All figures. steps: steps of each run in a turn."""
    config = load_config(QUICKSTART)
    program = load_program(config)
    kept = Compilations()
    with tempfile.TemporaryDirectory() as folder:
        return (
            compiling(program, max(NUM_RUNS), kept)
            | packs(program, steps, turns, kept)
            | overhead(program, Path(folder) / "overhead", 40 * steps)
            | thousand_cells(Path(folder) / "cells", Path(folder) / "run")
        )


def compiling(program: Program, count: int, kept: Compilations) -> Figures:
    """Time to compile lanes over that of one run, measured once: later parts use the programs."""
    inputs = _inputs(program, count)
    single = SingleEngine(program, inputs[:1], kept)
    state = single.place([program.init(inputs[0])])
    with nothing_kept():
        one = _seconds(lambda: single.train(state, 1))
        lanes = _seconds(lambda: LanesEngine(program, inputs, kept))
    return {f"compiling {count} lanes over compiling one run": lanes / one}


def packs(program: Program, steps: int, turns: int, kept: Compilations) -> Figures:
    """Throughput of runs together over that of one after another."""
    figures: Figures = {}
    for count in NUM_RUNS:
        inputs = _inputs(program, count)
        ways = {
            "alone": _one_by_one(program, inputs, kept, 1),
            "in threads": _one_by_one(program, inputs, kept, num_workers("threads")),
            "as lanes": _as_lanes(program, inputs, kept),
            "by lax.map": _by_map(program, inputs),
        }
        times: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(turns + 1):
            for name, way in ways.items():
                times[name].append(_seconds(partial(way, 1 + turn * steps)))
        alone, *others = (np.array(times[name][1:]) for name in ways)  # the first compiles
        for name, seconds in zip(list(ways)[1:], others, strict=True):
            named = f"{count} runs {name}: throughput over one after another"
            figures[named] = median(alone / seconds)
    return figures


def _inputs(program: Program, count: int) -> list[Inputs]:
    return [program.inputs(load_config(QUICKSTART, [f"seed={seed}"])) for seed in range(count)]


def _one_by_one(
    program: Program, inputs: list[Inputs], kept: Compilations, num_threads: int
) -> Callable[[int], None]:
    """Make (step) -> None, which trains all runs until that step, `num_threads` at a time."""
    singles = [SingleEngine(program, [own], kept) for own in inputs]
    states = [one.place([program.init(own)]) for one, own in zip(singles, inputs, strict=True)]

    def train(stop: int) -> None:
        def one(i: int) -> None:
            states[i] = singles[i].train(states[i], stop)

        with ThreadPoolExecutor(num_threads) as pool:
            list(pool.map(one, range(len(inputs))))

    return train


def _as_lanes(program: Program, inputs: list[Inputs], kept: Compilations) -> Callable[[int], None]:
    engine = LanesEngine(program, inputs, kept)
    lanes = engine.place([program.init(own) for own in inputs])

    def train(stop: int) -> None:
        nonlocal lanes
        lanes = engine.train(lanes, stop)

    return train


def _by_map(program: Program, inputs: list[Inputs]) -> Callable[[int], None]:
    """Make (step) -> None, which trains runs one after another within one program."""
    stacked, states = (
        jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)
        for trees in (inputs, [program.init(own) for own in inputs])
    )

    @jax.jit
    def train_all(states: TrainState, stop: jax.Array) -> TrainState:
        return jax.lax.map(
            lambda pair: program.train(pair[0], stop, pair[1], program.arrays), (states, stacked)
        )

    def train(stop: int) -> None:
        nonlocal states
        states = jax.block_until_ready(train_all(states, jnp.int32(stop)))

    return train


def overhead(program: Program, folder: Path, steps: int) -> Figures:
    """Time of a run in its directory, and of a sweep, over training and evaluation alone."""
    half = steps // 2
    words = {"training.num_steps": steps, "evaluation.every": half, "checkpoints.every": half}
    overrides = [f"{name}={value}" for name, value in words.items()]
    grid = {"seed": list(range(1, 1 + NUM_RUNS[0]))}
    sweep = make_sweep(
        "seeds", SweepConfig(base=read_settings(QUICKSTART), settings=words, grid=grid)
    )
    configs = [load_config(QUICKSTART, [*overrides, f"seed={seed}"]) for seed in grid["seed"]]
    runs = [bind(program, own) for own in configs]
    jax.block_until_ready(runs[0].evaluate(runs[0].init()))
    programs = ProgramCache()
    worker = Worker(programs, [])

    def bare(run: BoundProgram) -> None:
        state = run.init()
        for stop in (0, half, steps):
            state = run.train(state, stop)
            jax.device_get(run.evaluate(state))

    def together() -> None:
        with ThreadPoolExecutor(num_workers("threads")) as pool:
            list(pool.map(bare, runs))

    def alone_in_directory(name: str) -> None:
        worker.run(Job(((folder / name, configs[0]),), "threads"))

    def as_sweep(name: str) -> None:
        # A command makes its programs only once; here all sweeps share them.
        shared = patch("icl.sweeps.programs.ProgramCache", lambda: programs)
        with redirect_stdout(io.StringIO()), shared:
            run_sweeps([sweep], Store(str(folder / name)), SweepProgress(), "threads")

    for warm in (alone_in_directory, as_sweep):
        warm("warm")  # work done once per process
        shutil.rmtree(folder / "warm")
    figures: Figures = {}
    for what, without, with_files in (
        ("a run in its directory over training alone", partial(bare, runs[0]), alone_in_directory),
        (f"a sweep of {len(runs)} runs over their training alone", together, as_sweep),
    ):
        times = []
        for turn in range(3):
            one = _seconds(without)
            times.append(_seconds(partial(with_files, f"{what} {turn}")) / one)
        figures[what] = median(times)
    return figures


def thousand_cells(folder: Path, run: Path) -> Figures:
    """Seconds to load and to report a grid of a thousand cells, and megabytes of the page."""
    make_run(run)
    copy_cells(run, folder, NUM_CELLS)
    seconds = _seconds(lambda: load(folder))
    report_seconds = _seconds(lambda: report(folder))
    return {
        "loading 1,000 cells of 21 evaluations, seconds": seconds,
        "reporting them, seconds": report_seconds,
        "size of the page, MB": (folder / "report.html").stat().st_size / 1e6,
    }


def make_run(run: Path) -> None:
    """Make a finished run of 40 steps and 21 evaluations."""
    base = load_config(QUICKSTART, [f"{name}={value}" for name, value in SHORT.items()])
    Worker(ProgramCache(), []).run(Job(((run, base),), "threads"))
    assert status_of(run) == "finished"


def copy_cells(run: Path, folder: Path, count: int) -> None:
    """Make a finished sweep whose cells all have the records of one run.

    count: number of cells, a multiple of 100 up to 5,000.
    """
    grid: dict[str, list] = {
        "data.p_bursty": [i / 19 for i in range(20)],
        "data.zipf_exponent": [i / 10 for i in range(count // 100)],
        "seed": list(range(5)),
    }
    sweep = make_sweep(
        "copies", SweepConfig(base=read_settings(QUICKSTART), settings=SHORT, grid=grid)
    )
    directory = SweepDirectory(folder)
    with directory.held([sweep]):
        for cell in sweep.cells:
            path = directory.cell_path(cell)
            path.mkdir()
            for name in (METRICS, SUMMARY):
                (path / name).write_bytes((run / name).read_bytes())


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    run_command(main)
