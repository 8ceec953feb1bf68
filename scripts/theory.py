"""Compare two-layer linear networks with theory: scripts/theory.py [--out FOLDER]."""

from icl.cli.arguments import run_command
from icl.cli.theory import main

if __name__ == "__main__":
    run_command(main)
