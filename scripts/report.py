"""Report a sweep: scripts/report.py DIR [--out FILE] [--export FILE]."""

import argparse
import sys
from pathlib import Path

from icl.command_line import check_folder, run_command
from icl.errors import UserError


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Judge the claims of a sweep, draw its figures, write a page that shows all."
    )
    parser.add_argument("directory", metavar="DIR", help="folder of a sweep, finished or not")
    parser.add_argument("--out", metavar="FILE", help="the page (default: DIR/report.html)")
    parser.add_argument(
        "--export", metavar="FILE", help="write the array there too: .zarr, .nc or .parquet"
    )
    arguments = parser.parse_args()
    if arguments.out is not None:
        _check_file(arguments.out)
    # Slow to load: only once the arguments are known to be right.
    from icl.analysis.report import print_report, report
    from icl.records import load
    from icl.records.export import export

    if arguments.export:
        export(load(arguments.directory), arguments.export)
    print_report(report(arguments.directory, arguments.out), sys.stdout)
    return 0


def _check_file(out: str) -> None:
    if not out or Path(out).is_dir():
        raise UserError(f"--out = {out}: not a file; allowed: a file, such as report.html")
    check_folder(str(Path(out).parent))


if __name__ == "__main__":
    run_command(main)
