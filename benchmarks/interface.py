"""Time that Python users wait beyond the work itself: python -m benchmarks.interface.

Importing `icl` is timed in new processes. Logits of 64 sequences from `Run.apply` are timed in
turns with the same compiled network called directly. Figures are medians over the turns.
"""

import subprocess
import sys
import time
from collections.abc import Callable

import jax

import icl
from benchmarks.reporting import Figures, median, parser_of, show
from icl.cli.arguments import run_command

TURNS = 9
CALLS = 20  # of each form in a turn
SEQUENCES = 64
SHORT = {"training.num_steps": 1, "evaluation.num_sequences": 64}
IMPORT = "import time; t = time.perf_counter(); import icl; print(time.perf_counter() - t)"


def main() -> int:
    show(measure(), parser_of("Measure the Python interface.").parse_args().json)
    return 0


def measure(turns: int = TURNS) -> Figures:
    """Seconds of an import, and milliseconds of a call beyond those of the network."""
    imports = [
        float(subprocess.run([sys.executable, "-c", IMPORT], capture_output=True).stdout)
        for _ in range(turns)
    ]
    run = icl.train("quickstart", SHORT, progress=False)
    batch, network = run.draw("fewshot_holdout", SEQUENCES), run.network
    variables, given = run.variables, network.inputs(batch)
    forms: dict[str, Callable[[], jax.Array]] = {
        "run.apply": lambda: run.apply(batch),
        "network": lambda: network.forward(variables, given, True, False),
    }
    times: dict[str, list[float]] = {name: [] for name in forms}
    for form in forms.values():
        jax.block_until_ready(form())  # compiles
    for _ in range(turns):
        for name, form in forms.items():
            start = time.perf_counter()
            for _ in range(CALLS):
                jax.block_until_ready(form())
            times[name].append(1e3 * (time.perf_counter() - start) / CALLS)
    more = [a - b for a, b in zip(times["run.apply"], times["network"], strict=True)]
    return {
        "import icl, s": median(imports),
        f"run.apply of {SEQUENCES} sequences beyond the network alone, ms": median(more),
        "the network alone, ms": median(times["network"]),
    }


if __name__ == "__main__":
    run_command(main)
