"""Settings that a compiled program takes as arguments, and the names of runs and programs.

`Traced` marks such a setting where it is declared. Runs that differ in no other share one program.
"""

import hashlib
import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from icl.config.base import ALWAYS, Traced
from icl.config.experiment import EXPERIMENTS, AnyConfig
from icl.config.parts import widened
from icl.config.probes import RICH_OR_LAZY


def traced_settings(*roots: type[BaseModel]) -> dict[str, Traced]:
    """The traced settings of config classes, by pattern of their dotted names.

    `*` stands for a name that the user gives to an entry of a table. Raises TypeError if kinds of
    one branch share the name of a setting but do not mark it in the same way.
    """
    marks: dict[str, set[Traced | None]] = {}
    for root in roots:
        for pattern, mark in _leaves(root, "", None):
            marks.setdefault(pattern, set()).add(mark)
    if mixed := [pattern for pattern, found in marks.items() if len(found) > 1]:
        raise TypeError(f"traced in some classes, or off at several values: {', '.join(mixed)}")
    return {pattern: mark for pattern, (mark,) in marks.items() if mark}


def _leaves(kind: Any, name: str, mark: Traced | None) -> Iterator[tuple[str, Traced | None]]:
    """The patterns of all settings of a type, each with its mark."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        own = next((part for part in parts[1:] if isinstance(part, Traced)), mark)
        yield from _leaves(widened(parts[0], parts[1:]), name, own)
    elif origin in (Union, UnionType):
        for part in parts:
            if part is not type(None):
                yield from _leaves(part, name, mark)
    elif origin is dict:
        yield from _leaves(parts[1], f"{name}.*", mark)
    elif isinstance(kind, type) and issubclass(kind, BaseModel):
        for field, info in kind.model_fields.items():
            own = next((part for part in info.metadata if isinstance(part, Traced)), mark)
            inner = widened(info.annotation, info.metadata)
            yield from _leaves(inner, f"{name}.{field}" if name else field, own)
    else:
        yield name, mark


TRACED = traced_settings(*EXPERIMENTS.values())


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """The leaves of nested dictionaries by dotted name."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def digest_of(config: AnyConfig) -> str:
    """The name of a run: 16 hexadecimal digits, equal for equal settings.

    Settings at their default do not count, except kinds: a run keeps its name when a release adds
    settings.
    """
    every = flatten(config.model_dump(mode="json"))
    kinds = {name: value for name, value in every.items() if name.endswith("kind")}
    chosen = flatten(config.model_dump(mode="json", exclude_defaults=True)) | kinds
    if chosen.get("evaluation.probes") == list(RICH_OR_LAZY):
        # A run has the digest that it had when `evaluation.measures` stood for these.
        del chosen["evaluation.probes"]
        chosen["evaluation.measures"] = True
    return _digest(chosen)


def program_of(config: AnyConfig) -> str:
    """The name of a run's program: 16 hexadecimal digits, equal for runs that can share it."""
    return _digest(
        {name: _fact(name, value) for name, value in flatten(config.model_dump()).items()}
    )


def _fact(name: str, value: Any) -> Any:
    """The fact that a program depends on: a value; if traced, its length, `traced` or `off`."""
    for pattern, mark in TRACED.items():
        if fnmatchcase(name, pattern):
            count = (
                f" {len(value)}" if isinstance(value, tuple) and mark.is_sized else ""
            )  # a shape
            return f"traced{count}" if mark.off is ALWAYS or value != mark.off else "off"
    return value


def _digest(tree: dict[str, Any]) -> str:
    text = json.dumps(tree, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
