"""Train a grid of networks: icl sweep GRID [key=value ...] [--out DIR] [--dry-run]."""

import sys
from contextlib import nullcontext

from icl.cli.arguments import check_folder, command_again, options_of, parse_sweep_arguments
from icl.config.grid import load_sweeps
from icl.errors import Interrupted
from icl.records.missing_parts import naming_missing_parts

DIVERGED = 3  # exit code if all cells came to an end, and some diverged


def main() -> int:
    arguments = parse_sweep_arguments()
    # JAX takes seconds to load: check the grid first, and never load it to watch.
    if arguments.watch:
        from icl.sweeps.watch import watch

        return DIVERGED if "diverged" in watch(arguments.out) else 0
    options = options_of(arguments)
    with naming_missing_parts(arguments.out):
        sweeps = load_sweeps(arguments.config, arguments.overrides)
    if "://" not in arguments.out:
        check_folder(arguments.out)
    for claim in (claim for sweep in sweeps for claim in sweep.dropped_claims):
        print(f"not judged, as the grid lacks its values: {claim.text}", file=sys.stderr)
    from icl.records.storage import Store
    from icl.sweeps.cluster import Cluster
    from icl.sweeps.dry_run import dry_run
    from icl.sweeps.progress import SweepProgress
    from icl.sweeps.run import run_sweeps

    progress, store = SweepProgress(), Store(arguments.out)
    with Cluster(arguments.ray, store) if arguments.ray else nullcontext() as cluster:
        if arguments.dry_run:
            dry_run(sweeps, store, arguments.engine, cluster)
            return 0
        try:
            ended = run_sweeps(sweeps, store, progress, arguments.engine, options, cluster)
        except Interrupted as interrupt:
            progress.say(f"saved; to resume: {command_again()}")
            return 128 + interrupt.number
    return DIVERGED if "diverged" in ended else 0
