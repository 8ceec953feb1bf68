"""Reporting of measurements: as text, and as JSON with a description of the machine."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from icl.errors import UserError
from icl.runs.environment import describe_environment

Figures = dict[str, Any]
SPREAD = "quartiles"


class Median(float):
    """Median of several measurements. quartiles: half of all measurements lie between them."""

    quartiles: tuple[float, float]


def median(values: Sequence[float] | np.ndarray) -> Median:
    """Compute the median of measurements, with quartiles."""
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    number = Median(middle)
    number.quartiles = float(low), float(high)
    return number


def parser_of(description: str) -> argparse.ArgumentParser:
    """Make the parser of a benchmark, with --json."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", metavar="FILE", help="also write the figures to this file")
    return parser


def show(figures: Figures, file: str | None) -> None:
    """Print figures by name, nested ones indented, and write them to `file` if given."""
    _print(figures, "")
    write(figures, file)


def sections_in(file: str | None) -> Figures:
    """Sections already in a record. Raises UserError if it is of another machine or release."""
    if not file or not Path(file).exists():
        return {}
    record = json.loads(Path(file).read_text("utf-8"))
    if record.pop("environment", None) != describe_environment():
        raise UserError(f"{file}: of another machine or release; allowed: a new file, or its own")
    return with_spread(record)


def write(figures: Figures, file: str | None) -> None:
    """Write figures, the machine and a separate tree of quartiles as JSON."""
    if file:
        whole = {"environment": describe_environment()} | figures | {SPREAD: _spread(figures)}
        Path(file).write_text(json.dumps(whole, indent=2) + "\n", "utf-8")


def with_spread(record: Figures) -> Figures:
    """Sections of a record, with the quartiles attached to the numbers."""
    spread = record.get(SPREAD, {})
    sections = {name: part for name, part in record.items() if name not in ("environment", SPREAD)}
    return _joined(sections, spread)


def _spread(figures: Figures) -> Figures:
    found: Figures = {}
    for name, value in figures.items():
        if isinstance(value, dict):
            found[name] = _spread(value)
        elif isinstance(value, Median):
            found[name] = list(value.quartiles)
    return found


def _joined(figures: Figures, spread: Figures) -> Figures:
    joined: Figures = {}
    for name, value in figures.items():
        if isinstance(value, dict):
            joined[name] = _joined(value, spread.get(name, {}))
        elif name in spread:
            number = Median(value)
            number.quartiles = tuple(spread[name])
            joined[name] = number
        else:
            joined[name] = value
    return joined


def _print(figures: Figures, indent: str) -> None:
    for name, value in figures.items():
        if isinstance(value, dict):
            print(indent + name)
            _print(value, indent + "  ")
        else:
            between = " to ".join(f"{q:.3g}" for q in getattr(value, "quartiles", ()))
            print(f"{indent + name:66} {value:10.3g}  {between}".rstrip())
