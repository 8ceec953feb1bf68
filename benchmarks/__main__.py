"""Run benchmarks: python -m benchmarks [SECTION ...] [--quick] [--json FILE].

Ratios come first. Both sides of a ratio are timed in turns within one process, so that other load
on the machine slows both equally. All take about forty minutes on two cores. With --quick and no
section named, those that a change slows first are run, with few turns: two or three minutes.
--picture FILE draws the parts of a training step as bars.
"""

from collections.abc import Callable
from pathlib import Path

from benchmarks import (
    compiling,
    cores,
    growth,
    interface,
    kernel,
    levers,
    limits,
    networks,
    parts,
    references,
    sampler,
    start,
    sweeps,
    tasks,
)
from benchmarks.machine import MATRIX_SIDE, NUM_FLOATS, matrix_product, memory_read
from benchmarks.picture import draw_parts
from benchmarks.reporting import Figures, median, parser_of, sections_in, show, write
from icl.cli.arguments import run_command
from icl.config.networks import NETWORKS
from icl.errors import UserError


def machine(quick: bool) -> Figures:
    """Peaks of the machine, to which other figures are compared."""
    products, reads = (
        [task() for _ in range(6 if quick else 16)][1:] for task in (matrix_product, memory_read)
    )
    return {
        "matrix products, GFLOP/s": median([2 * MATRIX_SIDE**3 / s / 1e9 for s in products]),
        "memory, GB/s read": median([4 * NUM_FLOATS / s / 1e9 for s in reads]),
    }


SECTIONS: dict[str, Callable[[bool], Figures]] = {
    "machine": machine,
    "sampler": lambda quick: sampler.measure(3, *sampler.QUICK) if quick else sampler.measure(),
    "parts": lambda quick: {
        name: parts.measure(parts.NETWORKS[name], 3 if quick else parts.TURNS)
        for name in (parts.QUICK if quick else parts.NETWORKS)
    },
    "limits": lambda quick: limits.measure(3 if quick else limits.TURNS),
    "references": lambda quick: references.measure(3 if quick else references.TURNS),
    "kernel": lambda quick: kernel.measure(1 if quick else kernel.TURNS),
    "tasks": lambda quick: tasks.measure(3 if quick else tasks.TURNS),
    "compiling": lambda quick: compiling.measure(1 if quick else compiling.TURNS),
    "levers": lambda quick: levers.measure(3 if quick else levers.TURNS),
    "growth": lambda quick: growth.measure(3 if quick else growth.TURNS),
    "networks": lambda quick: networks.measure(["transformer", "lstm"] if quick else [*NETWORKS]),
    "cores": lambda quick: cores.measure(1 if quick else cores.TURNS),
    "sweeps": lambda quick: sweeps.measure(*sweeps.QUICK if quick else sweeps.THOROUGH),
    "interface": lambda quick: interface.measure(3 if quick else interface.TURNS),
    "start": lambda quick: start.measure(1 if quick else start.TURNS),
}
QUICK = ("machine", "sampler", "parts", "kernel", "tasks", "interface", "start")


def main() -> int:
    parser = parser_of("Run benchmarks.")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument(
        "--quick", action="store_true", help=f"few turns; without SECTION only {', '.join(QUICK)}"
    )
    parser.add_argument("--picture", metavar="FILE", help="draw the parts of a step as PNG")
    arguments = parser.parse_args()
    for name in arguments.sections:
        if name not in SECTIONS:
            raise UserError(f"{name}: unknown section; allowed: {', '.join(SECTIONS)}")
    # A call for some sections adds them to a record, or replaces them.
    figures = sections_in(arguments.json) if arguments.sections else {}
    for name in arguments.sections or (QUICK if arguments.quick else SECTIONS):
        figures[name] = SECTIONS[name](arguments.quick)
        show({name: figures[name]}, None)
        write(figures, arguments.json)  # after each section, because a later one may take long
    if arguments.picture and "parts" in figures:
        Path(arguments.picture).write_bytes(draw_parts(figures["parts"]))
    return 0


if __name__ == "__main__":
    run_command(main)
