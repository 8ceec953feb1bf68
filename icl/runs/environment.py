"""The machine and the versions that a run used, for its records."""

import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import jax

import icl
from icl.errors import UserError, first_line
from icl.files import processor

# JAX's settings that may change a run's bits, and that `icl.problems.own_settings` does not set.
SETTINGS = (
    "jax_disable_jit",
    "jax_disable_most_optimizations",
    "jax_optimization_level",
    "jax_random_seed_offset",
    "jax_high_dynamic_range_gumbel",
    "jax_use_direct_linearize",
)
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
        "jax_settings": _settings(),
    }


def changed_settings(events: Sequence[dict[str, Any]]) -> str:
    """Line on the settings in which the last start of a run differs from the one before.

    It is empty if they are the same, or if one of the two did not record them.

    events: the records of `events.jsonl`.
    """
    starts = [event for event in events if event.get("event") in ("start", "resume")]
    before, now = ([{}, {}] + [event.get("jax_settings") or {} for event in starts])[-2:]
    changes = [
        f"{name} = {now[name]} (was {before[name]})"
        for name in now
        if name in before and now[name] != before[name]
    ]
    if not changes:
        return ""
    return f"{', '.join(changes)}: numbers may differ from those of a run that was never stopped"


def _settings() -> dict[str, str]:
    values = jax.config.values
    settings = {name: str(values[name]) for name in SETTINGS if name in values}
    return settings | {"XLA_FLAGS": os.environ.get("XLA_FLAGS", "")}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
