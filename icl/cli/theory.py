"""Compare two-layer linear networks with theory: icl theory [--out FOLDER]."""

import argparse
from pathlib import Path

from icl.cli.arguments import check_folder
from icl.errors import UserError


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Compare gradient flow of two-layer linear networks with its formulas."
    )
    parser.add_argument(
        "--out", metavar="FOLDER", default="runs/theory", help="folder (default: runs/theory)"
    )
    out = parser.parse_args().out
    if not out:
        raise UserError("--out = : empty; allowed: a folder")
    check_folder(out)
    # These are slow to load: check the arguments first.
    from icl.analysis.figures.theory import draw_theory
    from icl.files import to_lines, write_whole
    from icl.theory.comparison import compare, to_table

    report = compare(seed=0)
    files: dict[str, str | bytes] = {
        "theory.png": draw_theory(report),
        "theory.json": to_lines(report),
    }
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_whole(folder / name, content)
    print("\n".join([*to_table(report), *(f"{folder / name}" for name in files)]))
    return 0
