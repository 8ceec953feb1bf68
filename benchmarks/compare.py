"""Compare two records of benchmarks: python -m benchmarks.compare OLD.json NEW.json.

Speeds are divided by the matrix-product peak of the same run, so that a faster or less busy machine
does not look like a better release. Shares and ratios are compared directly. Figures that got worse
by more than a margin are marked and make the exit code 1.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.reporting import SPREAD
from icl.cli.arguments import run_command
from icl.errors import UserError

PEAK = "machine/matrix products, GFLOP/s"
MARGIN = 0.25  # for medians on a shared machine
# Parts of the names of figures that give the unit and whether more is better.
RATES = ("sequences/s", "tokens/s")
TIMES = ("seconds", "ms, ")
MORE_IS_BETTER = (*RATES, "throughput", "over the peak's", "times theirs", "loop /")
# Figures that do not depend on the quality of a release.
UNJUDGED = ("machine/", "expected", "exponent", "FLOP", "operations of", "theirs, ", "share:")


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare two records of benchmarks.")
    parser.add_argument("files", nargs=2, metavar="FILE", help="of python -m benchmarks --json")
    old, new = (read(file) for file in parser.parse_args().files)
    rows = compare(old, new)
    for name, change in rows.items():
        print(f"{name:100} {change:8.2f}{'  worse' if change < 1 - MARGIN else ''}")
    return int(any(change < 1 - MARGIN for change in rows.values()))


def read(file: str) -> dict[str, float]:
    """Read figures by path. Raises UserError if the file is not a record of benchmarks."""
    try:
        tree = json.loads(Path(file).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{file}: cannot be read ({error}); allowed: a record of benchmarks"
        ) from None
    figures = _flat(tree) if isinstance(tree, dict) else {}
    if PEAK not in figures:
        raise UserError(f"{file}: holds no {PEAK}; allowed: a record with the section machine")
    return figures


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, float]:
    flat: dict[str, float] = {}
    for name, value in tree.items():
        if not prefix and name in ("environment", SPREAD):
            continue
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}/")
        elif isinstance(value, int | float):
            flat[prefix + name] = float(value)
    return flat


def compare(old: dict[str, float], new: dict[str, float]) -> dict[str, float]:
    """Improvement of each judged figure in both records, as a factor; above 1: better."""
    faster = new[PEAK] / old[PEAK]
    changes = {}
    for name in old.keys() & new.keys():
        if any(text in name for text in UNJUDGED) or not old[name] > 0 or not new[name] > 0:
            continue
        change = new[name] / old[name]
        change = change if any(text in name for text in MORE_IS_BETTER) else 1 / change
        is_speed = any(text in name for text in (*RATES, *TIMES))
        changes[name] = change / faster if is_speed else change
    return dict(sorted(changes.items(), key=lambda item: item[1]))


if __name__ == "__main__":
    run_command(main)
