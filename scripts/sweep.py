"""Train a grid of networks: scripts/sweep.py GRID [key=value ...] [--out DIR] [--dry-run]."""

import shlex
import sys
from contextlib import nullcontext
from pathlib import Path

from icl.cli import check_folder, parse_sweep_arguments, run_command
from icl.config.grid import load_sweeps
from icl.errors import Interrupted

DIVERGED = 3  # exit code if all cells came to an end, and some diverged


def main() -> int:
    arguments = parse_sweep_arguments()
    # JAX takes seconds to load: check the grid first, and never load it to watch.
    if arguments.watch:
        from icl.sweeps.watch import watch

        return DIVERGED if "diverged" in watch(arguments.out) else 0
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
            ended = run_sweeps(sweeps, store, progress, arguments.engine, arguments.log, cluster)
        except Interrupted as interrupt:
            command = shlex.join([Path(sys.executable).name, *sys.argv])
            progress.say(f"saved; to resume: {command}")
            return 128 + interrupt.number
    return DIVERGED if "diverged" in ended else 0


if __name__ == "__main__":
    run_command(main)
