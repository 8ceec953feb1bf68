"""The machine and the versions that a run used, for its records."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import jax

import icl
from icl.errors import UserError, first_line
from icl.files import processor

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "pydantic")


def describe_environment() -> dict[str, Any]:
    """Versions, device and machine, as plain values. Raises UserError where there is no device."""
    try:
        devices = jax.devices()
    except Exception as error:  # whatever a back end raises
        reason = first_line(error)
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
        "processor": processor("model name"),
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
