"""Start-up time of a run: python -m benchmarks.start [--json FILE].

Seconds from the start of the process to the first training step of the quickstart, including
compilation, with an empty and a warm cache of compiled programs; peak memory; and seconds to draw
the characters, to load them again and to put them on the device.
"""

import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import jax

from benchmarks.reporting import Figures, median, parser_of, show
from icl.cli.arguments import run_command
from icl.config.find import CONFIGS
from icl.config.yaml import load_config
from icl.data.sources.load import load_exemplars
from icl.data.sources.on_device import put_on_device
from icl.errors import UserError
from icl.files import cache_dir
from icl.records.lines import read_lines
from icl.records.run_directory import EVENTS

TURNS = 3
SCRIPT = CONFIGS.parent / "scripts" / "train.py"


def main() -> int:
    arguments = parser_of("Measure the start-up time of a run.").parse_args()
    show(measure(), arguments.json)
    return 0


def measure(turns: int = TURNS) -> Figures:
    """Medians over new processes, one at a time."""
    load_exemplars(load_config(CONFIGS / "quickstart.yaml").data.source)  # drawn once, kept
    cold: list[float] = []
    warm: list[float] = []
    memory: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(turns):
            programs = Path(folder) / str(turn)
            for seconds, name in ((cold, "cold"), (warm, "warm")):
                first, megabytes = _first_step(programs, Path(folder) / f"{name}{turn}")
                seconds.append(first)
                memory.append(megabytes)
    return _exemplars() | {
        "seconds to the first step, nothing compiled before": median(cold),
        "seconds to the first step, compiled before": median(warm),
        "peak memory, MB": max(memory),
    }


def _exemplars() -> Figures:
    """Figures of the quickstart's characters, measured once."""
    data, before = load_config(CONFIGS / "quickstart.yaml").data, os.environ.get("ICL_CACHE_DIR")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ICL_CACHE_DIR"] = folder
        try:
            drawing, loading = (_seconds(lambda: load_exemplars(data.source)) for _ in range(2))
            bank = load_exemplars(data.source)
        finally:
            del os.environ["ICL_CACHE_DIR"]
            if before is not None:
                os.environ["ICL_CACHE_DIR"] = before
    placing = _seconds(lambda: jax.block_until_ready(put_on_device(data, bank).arrays))
    return {
        "seconds to draw 32,460 characters": drawing,
        "seconds to load them": loading,
        "seconds to put them on the device": placing,
    }


def _seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _first_step(programs: Path, out: Path) -> tuple[float, float]:
    """Seconds from the start of a process to its first step, and megabytes it held at most."""
    environment = os.environ | {
        "JAX_COMPILATION_CACHE_DIR": str(programs),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.5",
        "ICL_CACHE_DIR": str(cache_dir()),
    }
    begin = time.time()
    words = ["training.num_steps=1000000", "--out", str(out)]
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), *words],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while process.poll() is None:
            for event in read_lines(out / EVENTS):
                if event["event"] == "compiled":
                    return event["time"] - begin, _peak_memory(process.pid)
            time.sleep(0.05)
        raise UserError(f"{SCRIPT} ended with {process.returncode} before its first step")
    finally:
        process.kill()
        process.wait()


def _peak_memory(pid: int) -> float:
    """Peak memory of a process in megabytes; NaN if the system does not report it.

    Python's usage of children does not serve: that of a child includes its parent's memory.
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    except OSError:
        return math.nan
    return next(
        (int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), math.nan
    )


if __name__ == "__main__":
    run_command(main)
