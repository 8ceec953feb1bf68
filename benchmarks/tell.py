"""How all measurements are told: printed, and as JSON beside a description of the machine."""

import argparse
import json
from pathlib import Path
from typing import Any

from icl.environment import describe_environment

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
