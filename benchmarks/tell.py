"""How all measurements are told: printed, and as JSON beside a description of the machine."""

import argparse
import json
from pathlib import Path
from typing import Any

from icl.environment import describe_environment
from icl.errors import UserError

Figures = dict[str, Any]


def parser_of(description: str) -> argparse.ArgumentParser:
    """A command that measures, with --json."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    return parser


def tell(figures: Figures, file: str | None) -> None:
    """Print figures by name, nested ones indented, and write them to a file if there is one."""
    _print(figures, "")
    write(figures, file)


def sections_in(file: str | None) -> Figures:
    """What a record holds already, if it is there. Raises UserError for one of another machine."""
    if not file or not Path(file).exists():
        return {}
    record = json.loads(Path(file).read_text())
    if record.pop("environment", None) != describe_environment():
        raise UserError(f"{file}: of another machine or release; allowed: a new file, or its own")
    return record


def write(figures: Figures, file: str | None) -> None:
    """Figures and what they were measured on, as JSON."""
    if file:
        whole = {"environment": describe_environment()} | figures
        Path(file).write_text(json.dumps(whole, indent=2) + "\n")


def _print(figures: Figures, indent: str) -> None:
    for name, value in figures.items():
        if isinstance(value, dict):
            print(indent + name)
            _print(value, indent + "  ")
        else:
            print(f"{indent + name:66} {value:10.3g}")
