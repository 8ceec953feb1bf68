"""Save a weight matrix of a run: scripts/export_matrix.py RUN MATRIX [--step N] [--out FILE]."""

from icl.cli.arguments import run_command
from icl.cli.export_matrix import main

if __name__ == "__main__":
    run_command(main)
