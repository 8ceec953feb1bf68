"""What a run ran on, for its records."""

import hashlib
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax

import icl
from icl.data.exemplars.cache import cache_dir
from icl.errors import UserError

SECONDS_WORTH_KEEPING = 0.5

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "pydantic")


def keep_compiled_programs() -> None:
    """Have JAX keep what it compiles in the cache folder, unless the user said where.

    A folder for each set of processor features: programs of another machine may not run here.
    """
    if jax.config.values.get("jax_compilation_cache_dir") is not None:
        return
    features = f"{platform.machine()} {_processor('flags', 'Features')}"
    name = hashlib.sha256(features.encode()).hexdigest()[:8]
    jax.config.update("jax_compilation_cache_dir", str(cache_dir() / "programs" / name))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", SECONDS_WORTH_KEEPING)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


def _processor(*names: str) -> str:
    """What Linux says of the processor under one of these names; elsewhere what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(names)), "").partition(": ")[2]


def describe_environment() -> dict[str, Any]:
    """Versions, device and machine, as plain values. Raises UserError where there is no device."""
    try:
        devices = jax.devices()
    except Exception as error:  # whatever a back end raises
        reason = (str(error) or type(error).__name__).split("\n")[0]
        wanted = os.environ.get("JAX_PLATFORMS", "")
        raise UserError(
            f"JAX_PLATFORMS = {wanted}: no such device ({reason}); allowed: a platform that this "
            "machine has, such as cpu"
        ) from None
    return {
        "icl": icl.__version__,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "processor": _processor("model name"),
        "cores": os.cpu_count(),
        "backend": jax.default_backend(),
        "device": devices[0].device_kind,
        "num_devices": len(devices),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
