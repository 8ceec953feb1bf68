"""The place of a sweep: a folder, or shared storage that `fsspec` knows, such as s3://.

A run always works in a local folder. With shared storage its files are copied there after each
checkpoint. A manifest, written last, names the files that belong together, so that an interrupted
copy leaves the previous one intact.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import fsspec

from icl.config.grid import Cell
from icl.errors import UserError, first_line
from icl.files import cache_dir
from icl.records.run_directory import CONFIG, CONNECTIVITY, FAILURE, METRICS, SEQUENCES, SUMMARY
from icl.records.sweep_directory import CELLS_FOLDER, GRIDS_FOLDER, list_grids

MANIFEST = "manifest.json"
# All that a reader needs of a finished cell.
SMALL = (CONFIG, CONNECTIVITY, METRICS, SUMMARY, FAILURE, SEQUENCES)


class Store:
    """A sweep's folder on this machine, and the shared storage it copies, if there is one.

    out: a folder, or an address with `://`. Nothing is written there before `create_root`.

    Raises UserError where the address cannot be reached.
    """

    def __init__(self, out: str):
        self.out = out
        self.is_remote = "://" in out
        if not self.is_remote:
            self.local = Path(out).absolute()
            return
        self.local = cache_dir() / "remote" / hashlib.sha256(out.encode()).hexdigest()[:16]
        try:
            self._files, self._root = fsspec.core.url_to_fs(out)
            self._files.exists(self._root)
        except Exception as error:  # whatever a storage raises
            raise self._unreachable(error) from None

    def create_root(self) -> None:
        """Make the folder in the shared storage. Raises UserError where that is impossible."""
        if not self.is_remote:
            return
        try:
            self._files.makedirs(self._root, exist_ok=True)
        except Exception as error:
            raise self._unreachable(error) from None

    def check_is_sweep(self) -> None:
        """Raise UserError where there are no grids; the error names the place as the user does."""
        if not (self._listed(GRIDS_FOLDER) if self.is_remote else list_grids(self.local)):
            raise UserError(
                f"{self.out}: not the folder of a sweep (it has no {GRIDS_FOLDER}); allowed: one"
            )

    def fetch(self, cells: Iterable[Cell]) -> None:
        """Copy the folders of cells from the shared storage to this machine."""
        for cell in cells if self.is_remote else ():
            self.fetch_cell(cell.digest)

    def fetch_cell(self, digest: str, small: bool = False) -> None:
        """Copy one cell to this machine. small: without its checkpoints."""
        target = self.local / CELLS_FOLDER / digest
        names = self._manifest(digest)
        if not small or SUMMARY in names:
            shutil.rmtree(target, ignore_errors=True)
        is_over = SUMMARY in names or FAILURE in names
        for name in names:
            if name in SMALL or not (small or is_over):
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                source = f"{self._root}/{CELLS_FOLDER}/{digest}/{name}"
                self._files.get_file(source, str(target / name))

    def forget(self, cell: Cell) -> None:
        """Delete the manifest of a cell, so that it is trained again after the next fetch."""
        if self.is_remote and self._manifest(cell.digest):
            self._files.rm_file(f"{self._root}/{CELLS_FOLDER}/{cell.digest}/{MANIFEST}")

    def fetch_records(self) -> None:
        """Copy all that a reader needs: the grids, and the files SMALL of every cell."""
        if not self.is_remote:
            return
        for path in self._listed(GRIDS_FOLDER):
            (self.local / GRIDS_FOLDER).mkdir(parents=True, exist_ok=True)
            self._files.get_file(path, str(self.local / GRIDS_FOLDER / Path(path).name))
        for path in self._listed(CELLS_FOLDER):
            digest = Path(path).name
            if not (self.local / CELLS_FOLDER / digest / SUMMARY).exists():
                self.fetch_cell(digest, small=True)

    def push_grids(self) -> None:
        """Copy the grids to the shared storage."""
        for file in sorted((self.local / GRIDS_FOLDER).glob("*.yaml")):
            self.push_file(file)

    @property
    def pushed(self) -> Callable[[Path], None] | None:
        """The function that copies a cell's folder to the shared storage; None without one."""
        return self.push_cell if self.is_remote else None

    def push_cell(self, path: Path) -> None:
        """Copy what is new of a cell, then write its manifest, then delete what is not in it."""
        digest, before = path.name, self._manifest(path.name)
        files = [file for file in sorted(path.rglob("*")) if file.is_file()]
        names = {
            str(file.relative_to(path)): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in files
            if not file.name.startswith(".") and ".orbax-checkpoint-tmp" not in str(file)
        }
        for name, content in names.items():
            if before.get(name) != content:
                self._put(path / name, f"{CELLS_FOLDER}/{digest}/{name}")
        manifest = json.dumps(names, indent=1) + "\n"
        self._files.pipe_file(f"{self._root}/{CELLS_FOLDER}/{digest}/{MANIFEST}", manifest.encode())
        for name in before.keys() - names.keys():
            self._files.rm_file(f"{self._root}/{CELLS_FOLDER}/{digest}/{name}")

    def push_file(self, file: Path) -> None:
        """Copy a file of the sweep's folder to the shared storage."""
        if self.is_remote:
            self._put(file, file.relative_to(self.local).as_posix())

    def where(self, file: Path) -> str:
        """The name of a file of the sweep's folder as the user knows it."""
        if self.is_remote and file.is_relative_to(self.local):
            return f"{self.out.rstrip('/')}/{file.relative_to(self.local).as_posix()}"
        return str(file)

    def _unreachable(self, error: Exception) -> UserError:
        reason = first_line(error)
        return UserError(
            f"--out = {self.out}: cannot be reached ({reason}); allowed: a folder, or an address "
            "that fsspec can write to"
        )

    def _manifest(self, digest: str) -> dict[str, Any]:
        path = f"{self._root}/{CELLS_FOLDER}/{digest}/{MANIFEST}"
        try:
            return dict(json.loads(self._files.cat_file(path)))
        except FileNotFoundError:
            return {}

    def _listed(self, folder: str) -> list[str]:
        try:
            return sorted(self._files.ls(f"{self._root}/{folder}", detail=False))
        except FileNotFoundError:
            return []

    def _put(self, file: Path, name: str) -> None:
        target = f"{self._root}/{name}"
        self._files.makedirs(target.rpartition("/")[0], exist_ok=True)
        self._files.put_file(str(file), target)
