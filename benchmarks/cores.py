"""Speed-up of a single run by further cores: python -m benchmarks.cores.

XLA spreads sufficiently large operations of a single run over all cores. Runs in threads share the
cores instead: at best, each is as fast as on one core, and together they use what a single run
leaves idle. Processes with one core and with all cores are timed in turns.
"""

import os
import subprocess
import sys

from benchmarks.parts import NETWORKS, config_of, train_steps
from benchmarks.reporting import Figures, median, parser_of, show
from icl.cli.arguments import run_command
from icl.problems.load import load_program

TURNS = 5
NUM_SEQUENCES = 32_000


def main() -> int:
    parser = parser_of("Measure the speed-up of a single run by further cores.")
    parser.add_argument("--step", metavar="NAME", help="only print the seconds of a step")
    parser.add_argument("--cores", nargs="*", type=int, help="numbers of the cores to use")
    arguments = parser.parse_args()
    if arguments.step:
        os.sched_setaffinity(0, arguments.cores)  # before XLA starts one thread per core
        print(_step(arguments.step))
    else:
        show(measure(), arguments.json)
    return 0


def measure(turns: int = TURNS) -> Figures:
    """Figures by network; none if the system cannot bind a process to one core."""
    if not hasattr(os, "sched_setaffinity"):
        return {}
    return {name: _measure(name, turns) for name in list(NETWORKS)[:2]}


def _measure(name: str, turns: int) -> Figures:
    cores = sorted(os.sched_getaffinity(0))
    pairs = [(_in_process(name, cores[:1]), _in_process(name, cores)) for _ in range(turns)]
    return {
        "time of a step on one core over on all": median([one / every for one, every in pairs]),
        f"{len(cores)} runs in threads over one after another, at best": median(
            [len(cores) * every / one for one, every in pairs]
        ),
    }


def _in_process(name: str, cores: list[int]) -> float:
    words = [sys.executable, "-m", "benchmarks.cores", "--step", name, "--cores", *map(str, cores)]
    process = subprocess.run(words, check=True, capture_output=True, text=True)
    return float(process.stdout)


def _step(name: str) -> float:
    config = config_of(NETWORKS[name])
    program = load_program(config)
    seconds = train_steps(program, config, NUM_SEQUENCES)
    seconds()  # compiles
    return seconds()


if __name__ == "__main__":
    run_command(main)
