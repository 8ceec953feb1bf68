"""See data and network before training: scripts/describe.py [CONFIG] [key=value ...] [--json]."""

import sys
from pathlib import Path

from icl.cli import check_folder, parse_arguments, run_command
from icl.config.yaml import load_config


def main() -> int:
    arguments = parse_arguments(
        "Draw, measure and score what a config describes, without training.",
        "quickstart.yaml",
        folder="runs/describe",
        flags={"json": "print only a JSON document to standard output"},
    )
    config = load_config(arguments.config, arguments.overrides)
    check_folder(arguments.out)
    # JAX takes seconds to load: check the config first.
    from icl.description.any_config import describe_any
    from icl.description.tables import print_tables
    from icl.files import to_lines, write_whole

    report = describe_any(config)
    text = to_lines(report.numbers)
    files: dict[str, str | bytes] = {**report.pictures, "description.json": text}
    folder = Path(arguments.out)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_whole(folder / name, content)
    out = sys.stderr if arguments.json else sys.stdout
    print_tables(report.tables, [folder / name for name in files], out)
    if arguments.json:
        print(text, end="")
    return 0


if __name__ == "__main__":
    run_command(main)
