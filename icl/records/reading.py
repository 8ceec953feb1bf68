"""Reads the records of runs and sweeps back. Analysis starts from `load`."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import xarray

    from icl.records.storage import Store


def load(directory: "str | Path", name: str | None = None) -> "xarray.Dataset":
    """The metrics of a run over `condition` and `step`; of a sweep over its knobs and `seed` too.

    directory: of a run or a sweep, or the address of a sweep in shared storage.
    name: of a grid, where the directory holds several.

    Raises UserError where `directory` is neither.
    """
    # xarray is slow to import: commands that load nothing do without.
    from icl.records.dataset import load_run, load_sweep_array

    path = local_copy(directory).local
    if (path / "grids").is_dir():
        return load_sweep_array(path, name)
    return load_run(path)


def sweep_names(directory: "str | Path") -> list[str]:
    """The names of the grids of a sweep. Raises UserError where `directory` is not a sweep's."""
    from icl.records.sweep_directory import list_grids

    store = local_copy(directory)
    store.check_is_sweep()
    return list_grids(store.local)


def local_copy(directory: "str | Path") -> "Store":
    """The folder of a run or a sweep on this machine.

    The records of a sweep in shared storage are copied to this machine first.
    """
    from icl.records.storage import Store

    store = Store(str(directory))
    if store.is_remote:
        store.check_is_sweep()
    store.fetch_records()
    return store
