"""Folders of runs and sweeps: the user's, or one that goes with the object that uses it."""

import shutil
import tempfile
import weakref
from pathlib import Path

from icl.errors import UserError


class Folder:
    """A folder. Without a path it is a temporary one, which is deleted with this object.

    is_temporary: whether it is.
    """

    def __init__(self, path: str | Path | None = None):
        self.is_temporary = path is None
        if path is None:
            made = Path(tempfile.mkdtemp(prefix="icl-"))
            self.path = made / "run"
            weakref.finalize(self, shutil.rmtree, made, ignore_errors=True)
        else:
            self.path = Path(path).expanduser().absolute()


def copy_whole(source: Path, out: str | Path) -> Path:
    """Copy a folder under another name, whole or not at all. Raises UserError if it is there."""
    target = Path(out).expanduser().absolute()
    if target.exists():
        raise UserError(f"out = {target}: is there already; allowed: a new name")
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    shutil.copytree(source, temporary, ignore=shutil.ignore_patterns(".lock"))
    temporary.rename(target)
    return target
