"""Train one network: icl train [CONFIG] [key=value ...] [--out DIR]."""

from icl.cli.arguments import FLAGS, TEXTS, command_again, options_of, parse_arguments
from icl.config.yaml import load_config
from icl.errors import Interrupted
from icl.records.missing_parts import naming_missing_parts
from icl.runs.progress import Progress
from icl.runs.run import train


def main() -> int:
    flags = {"distributed": "train over all devices and all processes started with this command"}
    arguments = parse_arguments(
        "Train one network.", "quickstart", flags=FLAGS | flags, texts=TEXTS
    )
    options = options_of(arguments)
    with naming_missing_parts(arguments.out):
        config = load_config(arguments.config, arguments.overrides)
    progress = Progress()
    try:
        if arguments.distributed:
            from icl.runs.distributed import run_distributed

            run_distributed(config, arguments.out, progress, options)
        else:
            train(config, arguments.out, progress, options=options)
    except Interrupted as interrupt:
        where = f"saved at step {interrupt.step}" if interrupt.step else "nothing to save yet"
        progress.say(f"{where}; to resume: {command_again()}")
        return 128 + interrupt.number
    return 0
