"""One file from the network: resumed where it stopped, checked, in place whole or not at all."""

import hashlib
import os
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from filelock import FileLock

from icl.errors import UserError

_CHUNK = 1 << 16  # bytes
_TIMEOUT = 30.0  # seconds without a single byte


def download(url: str, md5: str, destination: Path, instead: str) -> Path:
    """Fetches `url` into the file `destination`, unless it is there already; returns the latter.

    What has come so far is kept in `<destination>.part`, from whose end a later call goes on.
    Processes that want the same file wait for the one that fetches it.

    md5: of the whole file, in hexadecimal.
    instead: what the user can do without a network, said in the error.

    Raises UserError where the network or the disk fails, or the file that came is another.
    """
    part = destination.with_name(destination.name + ".part")
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        # Two writers of one part would garble it. A dead process holds no lock.
        with FileLock(destination.with_name(destination.name + ".lock")):
            if _md5(destination) == md5:
                return destination
            if _md5(part) != md5:  # equal if a run ended just before the renaming
                _fetch(url, part)
            found = _md5(part)
            if found == md5:
                os.replace(part, destination)
                return destination
            part.unlink()
    except (OSError, HTTPException) as error:  # urllib's and socket's errors are OSErrors
        what = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(
            f"{url}: not downloaded to {destination} ({what}); run again to resume, or {instead}"
        ) from error
    raise UserError(
        f"{url}: what came has MD5 {found}; expected: {md5}; it was removed: "
        f"run again to download it anew, or {instead}"
    )


def _md5(path: Path) -> str | None:
    """None where there is no such file."""
    try:
        with open(path, "rb") as file:
            # A check against accidents, with the sums that are published; not against malice.
            return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    except FileNotFoundError:
        return None


def _fetch(url: str, part: Path) -> None:
    """Appends to `part` what is missing of it."""
    have = part.stat().st_size if part.exists() else 0
    try:
        _receive(url, part, have)
    except HTTPError as error:
        # 416, range not satisfiable: the part is as long as the file or longer, yet not the file.
        if not (have and error.code == 416):
            raise
        _receive(url, part, 0)


def _receive(url: str, part: Path, start: int) -> None:
    headers = {"User-Agent": "icl"} | ({"Range": f"bytes={start}-"} if start else {})
    with urlopen(Request(url, headers=headers), timeout=_TIMEOUT) as response:
        # A server without ranges answers 200 and sends everything: then from the beginning.
        resumes = response.status == 206
        if resumes and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            part.unlink()
            raise HTTPException("the server sent another range than asked for")
        length = response.headers.get("Content-Length")
        received = 0
        with open(part, "ab" if resumes else "wb") as file:
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                received += len(chunk)
    # http.client takes a connection closed early for the end when it reads in chunks.
    if length is not None and received < int(length):
        raise HTTPException(f"the connection ended after {received} of {length} bytes")
