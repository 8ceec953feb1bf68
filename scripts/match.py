"""Make networks comparable: scripts/match.py [CONFIG] [key=value ...] --parameters N|--flops N."""

from icl.cli.arguments import run_command
from icl.cli.match import main

if __name__ == "__main__":
    run_command(main)
