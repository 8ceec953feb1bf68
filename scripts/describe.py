"""See a distribution before training: scripts/describe.py [CONFIG] [key=value ...] [--json]."""

import sys
from pathlib import Path

from icl.command_line import check_folder, parse_arguments, run_command
from icl.records.config_file import load_config


def main() -> int:
    arguments = parse_arguments(
        "Draw, measure and score what a config describes, without training.",
        "quickstart.yaml",
        folder="runs/describe",
        flags={"json": "print one JSON document, and nothing else, to standard output"},
    )
    config = load_config(arguments.config, arguments.overrides)
    check_folder(arguments.out)
    # JAX takes seconds to load: only once the config is known to be right.
    from icl.analysis.distribution import draw_distribution
    from icl.analysis.pictures import draw_rows
    from icl.description import describe
    from icl.description.tables import print_report
    from icl.records.run_directory import to_lines, write_whole

    description = describe(config)
    text = to_lines(description.report)
    files: dict[str, str | bytes] = {
        "examples.png": draw_rows(description.rows),
        "distribution.png": draw_distribution(description.report, description.entropies),
        "description.json": text,
    }
    folder = Path(arguments.out)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_whole(folder / name, content)
    out = sys.stderr if arguments.json else sys.stdout
    print_report(description.report, [folder / name for name in files], out)
    if arguments.json:
        print(text, end="")
    return 0


if __name__ == "__main__":
    run_command(main)
