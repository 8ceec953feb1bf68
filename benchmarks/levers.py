"""Speed-up by each optimised form of a computation: python -m benchmarks.levers.

Both forms compute the same at the sizes of the benchmark networks, and are timed in turns within
one process. A figure is the time of the other form over that of the form in use: above 1, the form
in use is faster.
"""

import time
from collections.abc import Callable

from benchmarks.data_levers import DATA_LEVERS
from benchmarks.forms import Forms, Work
from benchmarks.network_levers import NETWORK_LEVERS
from benchmarks.reporting import Figures, median, parser_of, show
from benchmarks.run_levers import RUN_LEVERS
from icl.cli.arguments import run_command

TURNS = 15

LEVERS: dict[str, Callable[[], Forms]] = NETWORK_LEVERS | DATA_LEVERS | RUN_LEVERS


def main() -> int:
    show(measure(), parser_of("Measure the speed-up by each optimised form.").parse_args().json)
    return 0


def measure(turns: int = TURNS) -> Figures:
    """Time of the other form over that of the one in use."""
    figures = {}
    for name, make in LEVERS.items():
        forms = make()
        times = [[_seconds(work) for work in forms] for _ in range(turns + 1)][1:]  # 1st compiles
        figures[name] = median([other / own for other, own in times])
    return figures


def _seconds(work: Work) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


if __name__ == "__main__":
    run_command(main)
