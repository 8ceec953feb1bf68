"""`icl.sweep` and `Sweep`: a grid of runs as Python users hold it."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from icl.config.grid import Sweep as Grid
from icl.errors import UserError
from icl.interface.configs import Overrides, sweeps_of
from icl.interface.folders import Folder, copy_whole
from icl.interface.run import Run
from icl.records.reading import load, local_copy, sweep_names
from icl.records.sweep_directory import CELLS_FOLDER, sweep_of
from icl.runs.options import DEFAULTS, Options

if TYPE_CHECKING:
    import pandas
    import xarray

    from icl.analysis.claims import Verdict
    from icl.analysis.figures.formats import Figure


def sweep(
    grid: str | Path | Mapping[str, Any],
    overrides: Overrides | None = None,
    *,
    out: str | Path | None = None,
    engine: str = "auto",
    progress: bool = True,
    options: Options = DEFAULTS,
) -> "Sweep":
    """Train all runs of a grid; the same as the command `icl sweep`, to the same bits.

    grid: the name of one in `configs/`, the path of a YAML file, or a dictionary with `base` and
        `grid`.
    overrides: values by name: `grid.KEY` for an axis, dotted names for settings of the base.
    out: folder of the sweep, or its address in shared storage. Runs that are finished there are
        left as they are. None: a temporary folder, which is deleted with the sweep.
    engine: threads, vmap or auto.
    progress: whether to show progress.
    options: loggers, and what else is no setting.

    Raises UserError for what a user can correct, and Interrupted after a signal, when all runs
    have saved their states.
    """
    from icl.interface.progress import sweep_progress
    from icl.records.storage import Store
    from icl.sweeps.run import run_sweeps

    if engine not in ("auto", "threads", "vmap"):
        raise UserError(f"engine = {engine}; allowed: auto, threads, vmap")
    grids = sweeps_of(grid, overrides)
    is_remote = "://" in str(out)
    folder = Folder(None if is_remote else out)
    place = str(out) if is_remote else str(folder.path)
    run_sweeps(grids, Store(place), sweep_progress(progress), engine, options)
    return Sweep(place, grids[0].name if len(grids) == 1 else None, folder)


class Sweep:
    """A grid of runs, finished or not. `icl.sweep` and `icl.load` make it.

    path: folder of the sweep, or its address in shared storage.
    name: of the grid; None: the only one of the folder.
    """

    def __init__(self, path: str, name: str | None = None, folder: Folder | None = None):
        """Open a sweep. folder: what deletes a temporary one. Raises UserError if there is none."""
        self.path, self._name, self._folder = path, name, folder
        names = sweep_names(path)
        if name is not None and name not in names:
            raise UserError(f"name = {name}; allowed: {', '.join(names)}")

    @property
    def names(self) -> list[str]:
        """The names of the grids of the folder."""
        return sweep_names(self.path)

    @cached_property
    def grid(self) -> Grid:
        """The grid, with all of its cells. Raises UserError if the folder has several, unnamed."""
        return sweep_of(local_copy(self.path).local, self._name)

    @property
    def dataset(self) -> "xarray.Dataset":
        """Scores and probes of all runs, over the axes of the grid, `seed`, `condition`, `step`.

        An axis has the last part of its setting's name: `p_bursty` for `data.p_bursty`. Variable
        `status`: finished, diverged, partial or missing. NaN where a run has no value.
        """
        from icl.records.dataset import plain_names

        return plain_names(self._array)

    def to_dataframe(self) -> "pandas.DataFrame":
        """One row for each run, condition and step; one column for each single measure."""
        from icl.records.export import to_table

        return to_table(self._array)

    @property
    def verdicts(self) -> "list[Verdict]":
        """The claims of the grid, each judged: pass, fail or undecided."""
        from icl.analysis.claims import judge

        return judge(self._array)

    @property
    def runs(self) -> list[Run]:
        """The runs that have begun, in the order of the grid."""
        folder = local_copy(self.path).local / CELLS_FOLDER
        paths = [folder / cell.digest for cell in self.grid.cells]
        return [Run(Folder(path)) for path in paths if (path / "config.yaml").exists()]

    def run(self, **values: Any) -> Run:
        """The run with these values on the axes, such as `run(p_bursty=0.5, seed=1)`.

        An axis is named by the last part of its setting's name. Raises UserError unless exactly one
        run has these values.
        """
        found = [cell for cell in self.grid.cells if _fits(cell.settings, values)]
        if len(found) != 1:
            axes = sorted({knob.rpartition(".")[2] for c in self.grid.cells for knob in c.settings})
            text = ", ".join(f"{name}={value}" for name, value in values.items()) or "no values"
            raise UserError(
                f"{text}: {len(found)} runs; allowed: one value of each of {', '.join(axes)}"
            )
        return Run(Folder(local_copy(self.path).local / CELLS_FOLDER / found[0].digest))

    def plot(self) -> "Figure":
        """The metric of each condition at the end against each axis, or over training without any.

        A Matplotlib figure, with 95 % intervals over seeds.
        """
        from icl.analysis.figures.sweep import draw_all

        figures = draw_all(self._array)
        if not figures:
            raise UserError(
                f"{self.path}: no run has been evaluated yet; allowed: a sweep with one"
            )
        return figures.get("effects") or next(iter(figures.values()))

    def report(self, out: str | Path | None = None) -> list[str]:
        """Write the report page with all verdicts and figures; returns the files it wrote."""
        from icl.analysis.report.make import report

        return report(self.path, out).paths

    def save(self, out: str | Path) -> "Sweep":
        """Copy the sweep to a new folder; returns the copy. Raises UserError if it is there."""
        return Sweep(str(copy_whole(local_copy(self.path).local, out)), self._name)

    @property
    def _array(self) -> "xarray.Dataset":
        return load(self.path, self._name)

    def __repr__(self) -> str:
        done = sum(run.is_finished for run in self.runs)
        return f"<icl.Sweep {self.path}: {done} of {len(self.grid.cells)} runs finished>"


def _fits(settings: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """Whether a cell has these values; names are settings, or the last parts of them."""
    short = {knob.rpartition(".")[2]: value for knob, value in settings.items()} | dict(settings)
    return all(name in short and short[name] == value for name, value in values.items())
