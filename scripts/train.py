"""Train one network: scripts/train.py [CONFIG] [key=value ...] [--out DIR]."""

import shlex
import sys
from pathlib import Path

from icl.cli import parse_arguments, run_command
from icl.config.yaml import load_config
from icl.errors import Interrupted
from icl.records.run_directory import naming_missing_parts
from icl.runs.progress import Progress
from icl.runs.run import train


def main() -> int:
    flags = {"distributed": "train over all devices and all processes started with this command"}
    arguments = parse_arguments("Train one network.", "quickstart.yaml", flags=flags)
    with naming_missing_parts(arguments.out):
        config = load_config(arguments.config, arguments.overrides)
    progress = Progress()
    try:
        if arguments.distributed:
            from icl.runs.distributed import run_distributed

            run_distributed(config, arguments.out, progress)
        else:
            train(config, arguments.out, progress)
    except Interrupted as interrupt:
        command = shlex.join([Path(sys.executable).name, *sys.argv])
        where = f"saved at step {interrupt.step}" if interrupt.step else "nothing to save yet"
        progress.say(f"{where}; to resume: {command}")
        return 128 + interrupt.number
    return 0


if __name__ == "__main__":
    run_command(main)
