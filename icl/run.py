"""One run, in a directory of its own."""

from pathlib import Path

from icl.config import AnyConfig
from icl.errors import UserError
from icl.progress import Progress
from icl.records.run_directory import FAILURE, RunDirectory


def run(config: AnyConfig, out: str | Path, progress: Progress, engine: str = "threads") -> None:
    """Train as configured, in the directory `out`; leaves its summary and figures there.

    engine: of `icl.packs.ENGINES`: threads, this device; spread, all devices of all processes.

    Raises UserError for what a user can mend, Interrupted after a signal.
    """
    with RunDirectory(out, config) as directory:
        if directory.is_finished:
            progress.say(f"{directory.path} holds this run, finished; for another, give --out")
            return
        if directory.failure:
            raise UserError(f"{directory.failure}; to try once more, delete {FAILURE} there")
        # JAX takes seconds to load: only once the directory is known to be usable.
        from icl.single import complete

        complete(directory, progress, engine)
