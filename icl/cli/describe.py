"""See data and network before training: icl describe [CONFIG] [key=value ...] [--json]."""

import sys
from pathlib import Path

from icl.cli.arguments import check_folder, parse_arguments
from icl.config.yaml import load_config


def main() -> int:
    arguments = parse_arguments(
        "Draw, measure and score what a config describes, without training.",
        "quickstart",
        folder="runs/describe",
        flags={"json": "print only a JSON document to standard output"},
    )
    config = load_config(arguments.config, arguments.overrides)
    check_folder(arguments.out)
    # JAX takes seconds to load: check the config first.
    from icl.description.any_config import describe_any, write_description
    from icl.description.tables import print_tables
    from icl.files import to_lines

    report = describe_any(config)
    files = write_description(report, Path(arguments.out))
    print_tables(report.tables, files, sys.stderr if arguments.json else sys.stdout)
    if arguments.json:
        print(to_lines(report.numbers), end="")
    return 0
