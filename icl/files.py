"""Files: the cache folder, whole writes, compiled programs that are kept."""

import hashlib
import json
import os
import platform
from pathlib import Path
from typing import Any

from icl.errors import UserError


def cache_dir() -> Path:
    """The folder of everything kept between runs, which need not exist yet.

    The environment's `ICL_CACHE_DIR`; where unset, `icl` in the user's cache folder
    (`XDG_CACHE_HOME`, or `~/.cache`). Raises UserError where the user has no home.
    """
    if own := os.environ.get("ICL_CACHE_DIR"):
        return Path(own).expanduser()
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # The XDG specification: a relative path is invalid and to be ignored.
    if base.is_absolute():
        return base / "icl"
    try:
        return Path.home() / ".cache" / "icl"
    except RuntimeError as error:
        raise UserError(
            "ICL_CACHE_DIR is unset and there is no home folder; set it to a folder for the cache"
        ) from error


def write_whole(path: Path, content: str | bytes) -> None:
    """Replace a file by new content, or leave it as it is if anything fails."""
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from None


def to_lines(table: dict[str, Any]) -> str:
    """A JSON object with a line for each entry."""
    parts = (f"{json.dumps(k)}: {json.dumps(v, allow_nan=False)}" for k, v in table.items())
    return "{" + ",\n ".join(parts) + "}\n"


SECONDS_WORTH_KEEPING = 0.5


def keep_compiled_programs() -> None:
    """Have JAX keep what it compiles in the cache folder, unless the user said where.

    A folder for each set of processor features: programs of another machine may not run here.
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
    """What Linux says of the processor under one of these names; elsewhere what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(names)), "").partition(": ")[2]
