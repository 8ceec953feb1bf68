"""Where a sweep is kept: a folder, or shared storage that `fsspec` knows, such as s3://.

A run always works in a local folder. With shared storage, what it has on the disk after each
checkpoint is copied there; a manifest, written last, names the files that belong together, so
that a copy cut short leaves the one before it whole.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import fsspec

from icl.config.grid import Cell
from icl.errors import UserError
from icl.files import cache_dir
from icl.records.run_directory import CONFIG, CONNECTIVITY, FAILURE, METRICS, SEQUENCES, SUMMARY
from icl.records.sweep_directory import CELLS, GRIDS, list_grids

MANIFEST = "manifest.json"
# Of a finished cell, all that a reader needs.
SMALL = (CONFIG, CONNECTIVITY, METRICS, SUMMARY, FAILURE, SEQUENCES)


class Store:
    """A sweep's folder on this machine, and what it is a copy of, if it is one.

    out: a folder, or an address with `://`. Raises UserError where that cannot be reached. Nothing
    is written there before `hold_place`.
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

    def hold_place(self) -> None:
        """Make the folder in the shared storage. Raises UserError where that cannot be."""
        if not self.is_remote:
            return
        try:
            self._files.makedirs(self._root, exist_ok=True)
        except Exception as error:
            raise self._unreachable(error) from None

    def check_is_sweep(self) -> None:
        """Raise UserError where there are no grids, named as the user does."""
        if not (self._listed(GRIDS) if self.is_remote else list_grids(self.local)):
            raise UserError(
                f"{self.out}: not the folder of a sweep (it has no {GRIDS}); allowed: one"
            )

    def fetch(self, cells: Iterable[Cell]) -> None:
        """Make the folders of cells on this machine what they are in the shared storage."""
        for cell in cells if self.is_remote else ():
            self.fetch_cell(cell.digest)

    def fetch_cell(self, digest: str, small: bool = False) -> None:
        """One cell. small: without its checkpoints."""
        target = self.local / CELLS / digest
        names = self._manifest(digest)
        if not small or SUMMARY in names:
            shutil.rmtree(target, ignore_errors=True)
        is_over = SUMMARY in names or FAILURE in names
        for name in names:
            if name in SMALL or not (small or is_over):
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                self._files.get_file(f"{self._root}/{CELLS}/{digest}/{name}", str(target / name))

    def forget(self, cell: Cell) -> None:
        """Have a cell made anew by whoever fetches it."""
        if self.is_remote and self._manifest(cell.digest):
            self._files.rm_file(f"{self._root}/{CELLS}/{cell.digest}/{MANIFEST}")

    def fetch_records(self) -> None:
        """All that a reader needs: grids, and SMALL of every cell."""
        if not self.is_remote:
            return
        for path in self._listed(GRIDS):
            (self.local / GRIDS).mkdir(parents=True, exist_ok=True)
            self._files.get_file(path, str(self.local / GRIDS / Path(path).name))
        for path in self._listed(CELLS):
            digest = Path(path).name
            if not (self.local / CELLS / digest / SUMMARY).exists():
                self.fetch_cell(digest, small=True)

    def push_grids(self) -> None:
        """Copy the grids to the shared storage."""
        for file in sorted((self.local / GRIDS).glob("*.yaml")):
            self.push_file(file)

    @property
    def pushed(self) -> Callable[[Path], None] | None:
        """Copies a cell's folder to the shared storage; None where it is there already."""
        return self.push_cell if self.is_remote else None

    def push_cell(self, path: Path) -> None:
        """Copy what is new of a cell, then say what belongs to it, then remove the rest."""
        digest, before = path.name, self._manifest(path.name)
        files = [file for file in sorted(path.rglob("*")) if file.is_file()]
        names = {
            str(file.relative_to(path)): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in files
            if not file.name.startswith(".") and ".orbax-checkpoint-tmp" not in str(file)
        }
        for name, content in names.items():
            if before.get(name) != content:
                self._put(path / name, f"{CELLS}/{digest}/{name}")
        manifest = json.dumps(names, indent=1) + "\n"
        self._files.pipe_file(f"{self._root}/{CELLS}/{digest}/{MANIFEST}", manifest.encode())
        for name in before.keys() - names.keys():
            self._files.rm_file(f"{self._root}/{CELLS}/{digest}/{name}")

    def push_file(self, file: Path) -> None:
        """Copy a file of the sweep's folder to the shared storage."""
        if self.is_remote:
            self._put(file, file.relative_to(self.local).as_posix())

    def where(self, file: Path) -> str:
        """What a user calls a file of the sweep's folder."""
        if self.is_remote and file.is_relative_to(self.local):
            return f"{self.out.rstrip('/')}/{file.relative_to(self.local).as_posix()}"
        return str(file)

    def _unreachable(self, error: Exception) -> UserError:
        reason = (str(error) or type(error).__name__).split("\n")[0][:200]
        return UserError(
            f"--out = {self.out}: cannot be reached ({reason}); allowed: a folder, or an address "
            "that fsspec can write to"
        )

    def _manifest(self, digest: str) -> dict[str, Any]:
        path = f"{self._root}/{CELLS}/{digest}/{MANIFEST}"
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
