"""Train one network as a config says: scripts/train.py [CONFIG] [key=value ...] [--out DIR]."""

import shlex
import sys

from icl.command_line import parse_arguments, run_command
from icl.records.config_file import load_config


def main() -> int:
    arguments = parse_arguments("Train one network.", "quickstart.yaml")
    config = load_config(arguments.config, arguments.overrides)
    # Imported once the config is known to be right: these take a second or two.
    from icl.progress import Progress
    from icl.run import Interrupted, run

    progress = Progress()
    try:
        run(config, arguments.out, progress)
    except Interrupted as interrupt:
        command = shlex.join(["python", *sys.argv])
        progress.say(f"saved at step {interrupt.step}; to go on: {command}")
        return 128 + interrupt.number
    return 0


if __name__ == "__main__":
    run_command(main)
