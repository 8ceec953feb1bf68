"""Print a record of benchmarks as Markdown: python -m benchmarks.table FILE.json [SECTION ...].

Tables show medians, with the quartiles of the measurements in brackets.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.reporting import with_spread
from icl.cli.arguments import run_command
from icl.errors import UserError


def main() -> int:
    parser = argparse.ArgumentParser(description="Print a record of benchmarks as Markdown.")
    parser.add_argument("file", metavar="FILE", help="of python -m benchmarks --json")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help="(default: all)")
    arguments = parser.parse_args()
    try:
        record = json.loads(Path(arguments.file).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{arguments.file}: cannot be read ({error}); allowed: a record") from None
    sections = with_spread(record)
    for name in arguments.sections:
        if name not in sections:
            raise UserError(f"{name}: not in the record; allowed: {', '.join(sections)}")
    print("\n\n".join(to_table(name, sections[name]) for name in arguments.sections or sections))
    return 0


def to_table(name: str, figures: dict[str, Any]) -> str:
    """Format figures by name; nested figures become columns."""
    if not all(isinstance(part, dict) for part in figures.values()):
        rows = [[key, formatted(value)] for key, value in figures.items()]
        return _markdown([f"`{name}`", ""], rows)
    heads = list(dict.fromkeys(key for part in figures.values() for key in part))
    rows = [[of, *(formatted(part.get(head)) for head in heads)] for of, part in figures.items()]
    return _markdown([f"`{name}`", *heads], rows)


def formatted(value: float | None) -> str:
    """Format a number with two significant digits, three if the first is 1; whole from 100 up."""
    if value is None:
        return ""
    between = " to ".join(_rounded(quartile) for quartile in getattr(value, "quartiles", ()))
    return _rounded(value) + (f" ({between})" if between else "")


def _rounded(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    digits = 3 if f"{abs(value):e}".startswith("1") else 2
    return f"{value:.{digits}g}"


def _markdown(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    run_command(main)
