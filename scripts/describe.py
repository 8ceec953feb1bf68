"""See data and network before training: scripts/describe.py [CONFIG] [key=value ...] [--json]."""

from icl.cli.arguments import run_command
from icl.cli.describe import main

if __name__ == "__main__":
    run_command(main)
