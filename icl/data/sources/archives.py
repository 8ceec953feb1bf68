"""Published archives: found in a folder of the user's own, or downloaded into the cache."""

from collections.abc import Sequence
from pathlib import Path

from icl.errors import UserError
from icl.files import cache_dir, download


def find(variable: str, folder: Path, names: tuple[str, str], url: str) -> Path:
    """The file or folder under either name in the folder that an environment variable gives.

    names: a name that ends in / is a folder's.
    url: where the first of them is published, for the error message.

    Raises UserError where there is neither.
    """
    for name in names:
        path = folder / name
        if path.is_dir() if name.endswith("/") else path.is_file():
            return path
    raise UserError(
        f"{variable} = {folder}: found neither {names[0]} nor {names[1]}; "
        f"get {url}, or unset {variable} to download it"
    )


def fetch(mirrors: Sequence[str], name: str, md5: str, folder: str, instead: str) -> Path:
    """The file in this folder of the cache, downloaded from the first mirror that has it.

    md5, instead: as in `icl.files.download`. Raises UserError where every mirror fails.
    """
    for mirror in mirrors:
        try:
            return download(f"{mirror}/{name}", md5, cache_dir() / folder / name, instead)
        except UserError as error:
            failure = error
    raise failure


def broken(path: Path, found: str, expected: str, mirror: str) -> UserError:
    """The error for a file whose content is not what was published."""
    return UserError(
        f"{path}: found {' '.join(found.split())}; expected: {expected}; "
        f"replace it with the one from {mirror}"
    )
