"""Train one network: scripts/train.py [CONFIG] [key=value ...] [--out DIR]."""

from icl.cli.arguments import run_command
from icl.cli.train import main

if __name__ == "__main__":
    run_command(main)
