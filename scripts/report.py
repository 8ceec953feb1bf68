"""Report a run or a sweep: scripts/report.py DIR [--out FILE], or --export FILE [--grid NAME]."""

from icl.cli.arguments import run_command
from icl.cli.report import main

if __name__ == "__main__":
    run_command(main)
