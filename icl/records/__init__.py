"""The files of a run: its config, its metrics, its checkpoints; and reading them back.

`load` is what analysis starts from. The rest is for the run itself: `config_file`,
`run_directory`, `checkpoints`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import xarray


def load(run: "str | Path") -> "xarray.Dataset":
    """The metrics of a run as named arrays over `condition` and `step`.

    Raises UserError where `run` is not the directory of a run.
    """
    from icl.records.dataset import load_run  # xarray is slow to import: only where it is used

    return load_run(run)
