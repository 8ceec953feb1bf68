"""Files: the cache folder, whole writes, downloads, compiled programs that are kept."""

import hashlib
import json
import logging
import os
import platform
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from icl.errors import UserError, one_line


def cache_dir() -> Path:
    """The folder of everything kept between runs. It need not exist yet.

    This is the environment's `ICL_CACHE_DIR`, or, where that is unset, `icl` in the user's cache
    folder (`XDG_CACHE_HOME`, or `~/.cache`). Raises UserError where the user has no home.
    """
    if own := os.environ.get("ICL_CACHE_DIR"):
        return Path(own).expanduser()
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # The XDG specification: relative paths are invalid and must be ignored.
    if base.is_absolute():
        return base / "icl"
    try:
        return Path.home() / ".cache" / "icl"
    except RuntimeError as error:
        raise UserError(
            "ICL_CACHE_DIR is unset and there is no home folder; set it to a folder for the cache"
        ) from error


@contextmanager
def whole_file(path: Path, writer: str = "") -> Iterator[BinaryIO]:
    """Open a stream whose bytes replace the file `path` when the block ends without an error.

    Until then the bytes are in `.<name><writer>.tmp` beside it, which an error removes.

    writer: tells apart processes that may write the same file at the same time.
    """
    temporary = path.with_name(f".{path.name}{writer}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # otherwise a power cut could leave an empty file
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):  # the first error matters
            temporary.unlink(missing_ok=True)
        raise


def write_whole(path: Path, content: str | bytes) -> None:
    """Replace a file by new content, or leave it as it is if anything fails."""
    try:
        with whole_file(path) as file:
            file.write(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


RETRIES = 2  # after 1 and 2 seconds


def download(url: str, md5: str, destination: Path, instead: str) -> Path:
    """Fetch `url` into the file `destination`, unless it is there already; return `destination`.

    The file appears whole and checked, or not at all. Processes that want the same file wait for
    the one that fetches it.

    md5: of the file, in hexadecimal.
    instead: what the user can do without a network, for the error message.

    Raises UserError where the network or the disk fails, or where the file has another MD5.
    """
    # Slow to load: only for those who download.
    import pooch
    from filelock import FileLock

    name = destination.name
    shelf = pooch.create(
        destination.parent,
        base_url="",
        registry={name: f"md5:{md5}"},
        urls={name: url},
        retry_if_failed=RETRIES,
    )
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        # A dead process holds no lock.
        with FileLock(destination.with_name(f"{name}.lock")), _silenced(pooch.get_logger()):
            shelf.fetch(name, downloader=_receive)
    except (OSError, ValueError) as error:  # ValueError: another MD5
        raise UserError(
            f"{url}: not downloaded to {destination} ({one_line(error)}); run again, or {instead}"
        ) from error
    return destination


def _receive(url: str, output_file: str, shelf: Any) -> None:
    """Write what the URL holds into a file that every user of a shared cache may read."""
    if url.startswith("file:"):
        from urllib.request import urlopen

        with urlopen(url) as source, open(output_file, "wb") as file:
            shutil.copyfileobj(source, file)
    else:
        from pooch import HTTPDownloader

        # Otherwise a server may compress the archive again, and the bytes would differ.
        headers = {"User-Agent": "icl", "Accept-Encoding": "identity"}
        HTTPDownloader(chunk_size=1 << 16, headers=headers)(url, output_file, shelf)
    os.chmod(output_file, 0o644)


@contextmanager
def _silenced(logger: logging.Logger) -> Iterator[None]:
    """Drop what this thread logs. The level stays as it is, for others in the process."""
    own = threading.get_ident()

    def is_others(record: logging.LogRecord) -> bool:
        return record.thread != own

    logger.addFilter(is_others)
    try:
        yield
    finally:
        logger.removeFilter(is_others)


def to_lines(table: dict[str, Any]) -> str:
    """A JSON object with one line for each entry."""
    parts = (f"{json.dumps(k)}: {json.dumps(v, allow_nan=False)}" for k, v in table.items())
    return "{" + ",\n ".join(parts) + "}\n"


SECONDS_WORTH_KEEPING = 0.5


def keep_compiled_programs() -> None:
    """Let JAX keep what it compiles in the cache folder, unless the user chose another folder.

    Each set of processor features has a folder of its own, because programs compiled on another
    machine may not run here.
    """
    import jax  # seconds to load: only for those who compile

    if jax.config.values.get("jax_compilation_cache_dir") is not None:
        return
    features = f"{platform.machine()} {processor('flags', 'Features')}"
    name = hashlib.sha256(features.encode()).hexdigest()[:8]
    jax.config.update("jax_compilation_cache_dir", str(cache_dir() / "programs" / name))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", SECONDS_WORTH_KEEPING)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


def processor(*names: str) -> str:
    """The processor's entry in /proc/cpuinfo under one of these names, or what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(names)), "").partition(": ")[2]
