"""What a grid costs beside its runs: python -m benchmarks.sweeps [--quick] [--json FILE].

Sixteen runs of one program, one after another and together; what directories, records and
checkpoints add to training; loading and reporting a thousand cells. Everything within one process,
what is compared in turns; medians over the turns.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax

from benchmarks.compiling import nothing_kept
from benchmarks.tell import parser_of, tell
from icl.analysis.report import report
from icl.command_line import CONFIGS, run_command
from icl.config.sweeps import SweepConfig
from icl.data.exemplars import load_exemplars
from icl.experiment import SequenceProgram, bind, make_program
from icl.packs import make_single, make_vmap, num_workers
from icl.records import load
from icl.records.config_file import load_config, read_settings
from icl.records.run_directory import METRICS, SUMMARY
from icl.records.sweep_directory import SweepDirectory, status_of
from icl.records.sweep_file import make_sweep
from icl.worker import Task, run_task

QUICKSTART = CONFIGS / "quickstart.yaml"
NUM_RUNS = 16
# Steps of each run in a turn, turns.
QUICK, THOROUGH = (5, 3), (25, 5)
NUM_CELLS = 1000
SHORT = {"training.num_steps": 40, "evaluation.every": 2}


def main() -> int:
    parser = parser_of("Measure packs of runs and the sweep layer.")
    parser.add_argument("--quick", action="store_true", help="fewer steps and turns")
    arguments = parser.parse_args()
    tell(measure(*QUICK if arguments.quick else THOROUGH), arguments.json)
    return 0


def measure(steps: int, turns: int) -> dict[str, float]:
    """All figures. steps: of each run in a turn."""
    config = load_config(QUICKSTART)
    program = make_program(config, load_exemplars(config.data.source))
    with tempfile.TemporaryDirectory() as folder:
        return (
            packs(program, steps, turns)
            | overhead(program, Path(folder) / "overhead", 40 * steps)
            | thousand_cells(Path(folder) / "cells", Path(folder) / "run")
        )


def packs(program: SequenceProgram, steps: int, turns: int) -> dict[str, float]:
    """Throughput of sixteen runs together over that of one after another."""
    configs = [load_config(QUICKSTART, [f"seed={seed}"]) for seed in range(NUM_RUNS)]
    inputs = [program.inputs(config) for config in configs]
    singles = [make_single(program, [own]) for own in inputs]
    states = [pack.place([program.init(own)]) for pack, own in zip(singles, inputs, strict=True)]
    with nothing_kept():
        start = time.perf_counter()
        states[0] = singles[0].train(states[0], 1)
        compiling = time.perf_counter() - start
        start = time.perf_counter()
        vmap = make_vmap(program, inputs)
        compiling_vmap = time.perf_counter() - start
    lanes = vmap.place([program.init(own) for own in inputs])
    done = 1

    def one(i: int) -> None:
        states[i] = singles[i].train(states[i], done)

    def in_turn() -> None:
        for i in range(NUM_RUNS):
            one(i)

    def in_threads() -> None:
        with ThreadPoolExecutor(num_workers("threads")) as pool:
            list(pool.map(one, range(NUM_RUNS)))

    def in_lanes() -> None:
        nonlocal lanes
        lanes = vmap.train(lanes, done)

    seconds: dict[str, list[float]] = {"one": [], "threads": [], "vmap": []}
    for _ in range(turns):
        for name, work in (("one", in_turn), ("threads", in_threads), ("vmap", in_lanes)):
            done += steps if name != "vmap" else 0
            seconds[name].append(_seconds(work))
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    threads = medians["one"] / medians["threads"]
    # In each turn the lanes catch up with the others, who took a turn each.
    vmapped = 2 * medians["one"] / medians["vmap"]
    return {
        "16 runs in threads: throughput over one after another": threads,
        "16 runs as lanes: throughput over one after another": vmapped,
        "compiling 16 lanes over compiling one run": compiling_vmap / compiling,
    }


def overhead(program: SequenceProgram, folder: Path, steps: int) -> dict[str, float]:
    """Of a run in its directory, over the same training and evaluation without any file."""
    words = [f"training.num_steps={steps}", f"evaluation.every={steps // 2}", "seed=1"]
    config = load_config(QUICKSTART, [*words, f"checkpoints.every={steps // 2}"])
    experiment = bind(program, config)
    jax.block_until_ready(experiment.evaluate(experiment.init()))

    def bare() -> None:
        state = experiment.init()
        for stop in (0, steps // 2, steps):
            state = experiment.train(state, stop)
            jax.device_get(experiment.evaluate(state))

    def in_directory(number: int) -> Callable[[], None]:
        return lambda: run_task(Task(((folder / str(number), config),), "threads"), [])

    in_directory(0)()  # what is done once for each process
    pairs = [(_seconds(bare), _seconds(in_directory(turn))) for turn in range(1, 4)]
    return {
        "a run in its directory over training alone": statistics.median(b / a for a, b in pairs)
    }


def thousand_cells(folder: Path, run: Path) -> dict[str, float]:
    """Seconds to load and to report a grid of a thousand cells; megabytes of the page."""
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
    """A finished run of 40 steps and 21 evaluations."""
    base = load_config(QUICKSTART, [f"{name}={value}" for name, value in SHORT.items()])
    run_task(Task(((run, base),), "threads"), [])
    assert status_of(run) == "finished"


def copy_cells(run: Path, folder: Path, count: int) -> None:
    """A finished sweep of so many cells, hundreds up to 5,000, each with the records of one run."""
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
