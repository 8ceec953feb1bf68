"""The registered parts that a config uses: for the records of a run, and for its workers."""

import hashlib
import inspect
from collections.abc import Iterable, Iterator
from importlib.metadata import packages_distributions, version
from typing import Any

from icl.config.base import Settings
from icl.config.experiment import AnyConfig
from icl.config.parts import GROUP, PARTS, Part, installed
from icl.errors import UserError


def used_parts(config: AnyConfig) -> list[tuple[str, Part]]:
    """The registered parts that a config uses, each with the setting that names it."""
    found = list(_of_settings(config))
    named = {
        "training.loss": ("loss", (config.training.loss,)),
        "evaluation.probes": ("probe", getattr(config.evaluation, "probes", ())),
        "evaluation.conditions": ("condition", config.evaluation.conditions),
        "data.mixture": ("condition", config.family_names),
    }
    seen: set[Part] = set()
    for field, (sort, names) in named.items():
        for part in (PARTS[sort][name] for name in names if name in PARTS[sort]):
            if part not in seen:
                found.append((field, part))
                found += [(field, own) for _, own in _of_settings(part.entries.get("family"))]
            seen.add(part)
    return found


def _of_settings(value: Any) -> Iterator[tuple[str, Part]]:
    """The registered parts whose settings are within a value."""
    for place, settings in _branches(value, ""):
        for parts in PARTS.values():
            part = parts.get(getattr(settings, "kind", ""))
            if part and part.settings and _is_same(type(settings), part.settings):
                yield f"{place}.kind", part


def describe_parts(config: AnyConfig) -> dict[str, list[dict[str, str]]]:
    """Names and versions of the registered parts of a config, for its records; empty without any.

    A part has the version of its package, or, where it is from none, a digest of its source text.
    """
    found = [
        {"field": field, "sort": part.sort, "name": part.name} | _origin(part)
        for field, part in used_parts(config)
    ]
    return {"parts": found} if found else {}


def missing_parts(recorded: Iterable[dict[str, str]]) -> list[str]:
    """A line for each part in records of `describe_parts` that is not registered now."""
    lines = []
    for part in recorded:
        if part["name"] not in PARTS.get(part["sort"], {}):
            if "package" in part:
                whence = f"{part['name']} {part['version']} of package {part['package']}"
            else:
                digest = f" (source {part['sha256']})" if "sha256" in part else ""
                whence = f"{part['name']} of module {part['module']}{digest}"
            lines.append(
                f"{part['field']} = {part['name']}: a part that is not registered; this run used "
                f"{whence}; import it or install it"
            )
    return lines


def check_for_workers(configs: Iterable[AnyConfig], loggers: Iterable[str] = ()) -> None:
    """Raise UserError for parts that other processes would not find: those of no entry point."""
    packages = {entry.module.partition(".")[0] for entry in installed()}
    used = [pair for config in configs for pair in used_parts(config)]
    used += [("--log", PARTS["logger"][name]) for name in loggers if name in PARTS["logger"]]
    lines = [
        f"{field} = {part.name}: registered in this process alone, by {part.address}; allowed with "
        f"--ray: parts of installed packages with an entry point of the group {GROUP}"
        for field, part in used
        if part.package not in packages
    ]
    if lines:
        raise UserError(*dict.fromkeys(lines))


def _branches(value: Any, place: str) -> Iterator[tuple[str, Settings]]:
    """All settings within a value, each with its dotted name."""
    inner: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, Settings):
        yield place, value
        inner = ((name, getattr(value, name)) for name in type(value).model_fields)
    elif isinstance(value, dict):
        inner = value.items()
    for name, child in inner:
        yield from _branches(child, f"{place}.{name}" if place else str(name))


def _is_same(one: type, other: type) -> bool:
    """Whether two classes are one, which a notebook may have defined twice."""
    return (one.__module__, one.__qualname__) == (other.__module__, other.__qualname__)


def _origin(part: Part) -> dict[str, str]:
    """The package and its version; or the module, and a digest of the source text."""
    for entry in installed():
        if entry.dist and entry.module.partition(".")[0] == part.package:
            return {"package": entry.dist.name, "version": entry.dist.version}
    for package in packages_distributions().get(part.package, []):
        return {"package": package, "version": version(package)}
    module = part.address.partition(":")[0]
    try:
        text = inspect.getsource(part.load())
    except (OSError, TypeError):  # typed in at a prompt
        return {"module": module}
    return {"module": module, "sha256": hashlib.sha256(text.encode()).hexdigest()[:16]}
