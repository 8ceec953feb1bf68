"""Train a grid of networks: scripts/sweep.py GRID [key=value ...] [--out DIR] [--dry-run]."""

from icl.cli.arguments import run_command
from icl.cli.sweep import main

if __name__ == "__main__":
    run_command(main)
