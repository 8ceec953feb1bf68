"""`icl.train` and `icl.load`."""

from pathlib import Path

from icl.errors import UserError
from icl.interface.configs import Overrides, Settings, config_of
from icl.interface.folders import Folder
from icl.interface.run import Run, train_in
from icl.interface.sweep import Sweep
from icl.records.run_directory import CONFIG
from icl.records.sweep_directory import list_grids
from icl.runs.options import DEFAULTS, Options


def train(
    config: Settings = "quickstart",
    overrides: Overrides | None = None,
    *,
    seed: int | None = None,
    out: str | Path | None = None,
    progress: bool = True,
    options: Options = DEFAULTS,
) -> Run:
    """Train one network; the same as the command `icl train`, to the same bits.

    config: the name of one in `configs/`, the path of a YAML file, a nested dictionary or a config.
    overrides: values by dotted name, such as `{"data.p_bursty": 0.5}`.
    seed: of all randomness; None: the config's.
    out: folder of the run. If it holds this run already, training goes on from the last checkpoint,
        and a finished run is opened. None: a temporary folder, which is deleted with the run;
        `Run.save` keeps it.
    progress: whether to show progress.
    options: loggers, and what else is no setting.

    Ctrl+C, or interrupting a notebook, saves the state. Where a person types the commands, the
    run is then returned, and `Run.resume` goes on. In a script `icl.Interrupted` is raised.

    Raises UserError for what a user can correct.
    """
    folder = Folder(out)
    program = train_in(folder, config_of(config, overrides, seed), progress, options)
    return Run(folder, program=program)


def load(path: str | Path, name: str | None = None) -> Run | Sweep:
    """Open the folder of a run or a sweep, finished or not, in training or not.

    path: the folder; of a sweep also its address in shared storage.
    name: of the grid, where a sweep's folder holds several.

    Raises UserError where there is neither.
    """
    if "://" in str(path) or list_grids(path):
        return Sweep(str(path), name)
    if not (Path(path).expanduser() / CONFIG).exists():
        raise UserError(f"{path}: not the folder of a run or a sweep; allowed: one that is")
    return Run(Folder(path))
