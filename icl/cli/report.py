"""Report a sweep: icl report DIR [--out FILE] [--export FILE] [--grid NAME]."""

import argparse
import sys
from pathlib import Path

from icl.cli.arguments import check_folder
from icl.errors import UserError


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Judge the claims of a sweep, draw its figures and write both to one page."
    )
    parser.add_argument("directory", metavar="DIR", help="folder of a sweep, finished or not")
    parser.add_argument("--out", metavar="FILE", help="the page (default: DIR/report.html)")
    parser.add_argument(
        "--export", metavar="FILE", help="also export the results: .zarr, .nc or .parquet"
    )
    parser.add_argument("--grid", metavar="NAME", help="grid to export, if there are several")
    arguments = parser.parse_args()
    for option, file in (("out", arguments.out), ("export", arguments.export)):
        if file is not None:
            _check_file(option, file)
    if arguments.grid and not arguments.export:
        raise UserError(f"--grid = {arguments.grid}: of no use here; allowed: with --export")
    # These are slow to load: check the arguments first.
    from icl.analysis.report.make import print_report, report
    from icl.records import load
    from icl.records.export import check_export, export

    if arguments.export:
        check_export(Path(arguments.export))
        array = load(arguments.directory, arguments.grid)
    print_report(report(arguments.directory, arguments.out), sys.stdout)
    if arguments.export:
        export(array, arguments.export)
    return 0


def _check_file(option: str, file: str) -> None:
    if not file or (option == "out" and Path(file).is_dir()):
        raise UserError(f"--{option} = {file}: not a file; allowed: a file, such as report.html")
    check_folder(str(Path(file).parent), option)
