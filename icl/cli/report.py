"""Report a run or a sweep: icl report DIR [--out FILE], or --export FILE [--grid NAME]."""

import argparse
import sys
from pathlib import Path

from icl.cli.arguments import check_folder
from icl.errors import UserError


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Write the page of a run, or of a sweep, whose claims it judges."
    )
    parser.add_argument("directory", metavar="DIR", help="folder of a run or a sweep")
    parser.add_argument("--out", metavar="FILE", help="the page (default: DIR/report.html)")
    parser.add_argument(
        "--export", metavar="FILE", help="only export the results: .csv, .parquet, .nc or .zarr"
    )
    parser.add_argument("--grid", metavar="NAME", help="grid to export, if there are several")
    arguments = parser.parse_args()
    for option, file in (("out", arguments.out), ("export", arguments.export)):
        if file is not None:
            _check_file(option, file)
    if arguments.grid and not arguments.export:
        raise UserError(f"--grid = {arguments.grid}: of no use here; allowed: with --export")
    if arguments.out and arguments.export:
        raise UserError(f"--out = {arguments.out}: of no use here; allowed: without --export")
    # These are slow to load: check the arguments first.
    if arguments.export:
        from icl.records.export import export_records

        export_records(arguments.directory, Path(arguments.export), arguments.grid)
        print(arguments.export)
        return 0
    from icl.analysis.report.make import print_report, report

    print_report(report(arguments.directory, arguments.out), sys.stdout)
    return 0


def _check_file(option: str, file: str) -> None:
    if not file or (option == "out" and Path(file).is_dir()):
        raise UserError(f"--{option} = {file}: not a file; allowed: a file, such as report.html")
    check_folder(str(Path(file).parent), option)
