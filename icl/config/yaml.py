"""Configs in files and on the command line: YAML, `a.b=value` overrides, one line per mistake."""

import copy
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from icl.config.experiment import EXPERIMENTS, AnyConfig, ExperimentConfig
from icl.config.mistakes import describe, keys_of, mentions, wrong_fields
from icl.config.parts import load_installed
from icl.config.retired import drop_retired
from icl.config.traced import flatten
from icl.config.yaml_text import dump_yaml, read_text, read_yaml
from icl.errors import UserError

Config = TypeVar("Config", bound=BaseModel)


def load_config(path: str | Path, overrides: list[str] | None = None) -> Any:
    """Read a YAML file, apply `dotted.key=value` overrides, validate: an `AnyConfig`.

    Raises UserError with a line for every mistake.
    """
    tree = read_run(path)
    settings: dict[str, Any] = {}
    for text in overrides or []:
        settings = with_setting(settings, *parse_override(text))
    override(tree, settings)
    return parse_config(tree)


def read_settings(path: str | Path) -> dict[str, Any]:
    """Read the settings in a YAML file without validating them. Raises UserError without any."""
    try:
        text = read_text(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(
            f"{path}: cannot be read ({reason}); allowed: a YAML file in UTF-8"
        ) from None
    try:
        tree = read_yaml(text) or {}
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None
    if not isinstance(tree, dict):
        raise UserError(f"{path}: no settings found; allowed: lines such as `seed: 0`")
    return tree


def read_run(path: str | Path) -> dict[str, Any]:
    """Read the settings of a run in a YAML file, without validating them. Raises UserError."""
    tree = read_settings(path)
    if is_grid(tree):
        raise UserError(
            f"{path}: a grid; allowed: the config of a run; to train a grid, use scripts/sweep.py"
        )
    return nested(tree)


def is_grid(tree: dict[str, Any]) -> bool:
    """Whether settings stand for many runs."""
    return any(key in tree for key in ("grid", "zip", "cells"))


# Tables whose names are the user's: a dot in them is part of the name.
TABLES = ("connectivity", "data.mixture", "data.families", "training.weight_decay_of")


def nested(tree: dict[str, Any], branch: str = "") -> dict[str, Any]:
    """Put settings with dotted names, as `data.p_bursty: 0.5`, into their branches.

    branch: the name of the tree and a dot; empty for all settings. Raises UserError if one is
    given twice.
    """
    found: dict[str, Any] = {}
    for key, value in tree.items():
        first, *others = key.split(".") if all(key.split(".")) else [key]
        if isinstance(value, dict) and branch + key not in TABLES:
            value = nested(value, f"{branch}{key}.")
        for part in reversed(others):
            value = {part: value}
        found[first] = _merged(found[first], value, branch + first) if first in found else value
    return found


def _merged(one: Any, other: Any, name: str) -> Any:
    """Settings of one branch that come from two places of a file."""
    if not isinstance(one, dict | None) or not isinstance(other, dict | None):
        raise UserError(f"{name}: given twice, in its branch and by its dotted name; allowed: once")
    both = dict(one or {})
    for key, value in (other or {}).items():
        both[key] = _merged(both[key], value, f"{name}.{key}") if key in both else value
    return both


def parse_config(tree: dict[str, Any]) -> AnyConfig:
    """Validate a config. Raises UserError with a line for every mistake.

    Retired settings are removed from the tree.
    """
    return parse(tree, _class_of(tree), drop_retired(tree))


def _class_of(tree: dict[str, Any]) -> Any:
    """The root, by the branch that only it has; without any, the one of sequences."""
    return next((EXPERIMENTS[branch] for branch in EXPERIMENTS if branch in tree), ExperimentConfig)


def parse(tree: dict[str, Any], model: type[Config], mistakes: Iterable[str] = ()) -> Config:
    """Validate settings against a class. Raises UserError with a line for every mistake.

    mistakes: lines about settings that the tree no longer has.
    """
    load_installed()
    lines = list(mistakes)
    wrong: set[str] = set()
    while True:
        try:
            config = model.model_validate(tree)
        except ValidationError as error:
            problems = _innermost(error.errors())
        else:
            if lines:
                raise UserError(*lines)
            return config
        # Pydantic runs checks between fields only once all fields are valid. So invalid fields are
        # removed and the rest is validated again, until nothing new is found.
        found = [line for problem in problems for line in describe(problem, tree, model)]
        lines += [line for line in found if not any(mentions(line, name) for name in wrong)]
        fields = {name for problem in problems for name in wrong_fields(problem, tree)} - wrong
        if not fields:
            raise UserError(*lines)
        wrong |= fields
        for name in fields:
            _remove(tree, name.split("."))


def dump_config(config: AnyConfig) -> str:
    """Write the resolved config as YAML; `load_config` gives it back."""
    return dump_yaml(config.model_dump(mode="json"))


def differences(old: AnyConfig, new: AnyConfig) -> list[str]:
    """List the fields that differ, one line each."""
    flat_old, flat_new = (flatten(config.model_dump(mode="json")) for config in (old, new))
    keys = list(flat_old) + [key for key in flat_new if key not in flat_old]
    return [
        f"{key} = {flat_new.get(key, '(unset)')}, was {flat_old.get(key, '(unset)')}"
        for key in keys
        if flat_old.get(key, "(unset)") != flat_new.get(key, "(unset)")
    ]


def _innermost(problems: list[Any]) -> list[Any]:
    """Drop the problem of a list whose items have problems of their own."""
    return [
        problem
        for problem in problems
        if problem["type"] != "too_short"
        or not any(
            other is not problem and other["loc"][: len(problem["loc"])] == problem["loc"]
            for other in problems
        )
    ]


def parse_override(text: str) -> tuple[str, Any]:
    """Split `dotted.key=value` into the name of a setting and its value. Raises UserError."""
    path, equals, value = text.partition("=")
    path = path.strip()
    if not equals or not all(path.split(".")):
        raise UserError(f"{text}: not understood; allowed: KEY=VALUE, such as data.p_bursty=0.5")
    try:
        return path, read_yaml(value)
    except ValueError:
        raise UserError(f"{path} = {value[:50]}; allowed: a value as in YAML") from None


def with_setting(settings: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Add a setting to settings by dotted name; it replaces all settings within its branch."""
    others = {key: old for key, old in settings.items() if not is_within(key, path)}
    return others | {path: value}


def is_within(path: str, branch: str) -> bool:
    """Whether a setting is a branch or lies within it; both by dotted name."""
    return f"{path}.".startswith(f"{branch}.")


def override(tree: dict[str, Any], settings: dict[str, Any]) -> None:
    """Replace settings of a tree, by dotted name. Raises UserError."""
    load_installed()
    # Whole branches come before settings within them, and kinds before the settings beside them: a
    # new kind decides which other settings of its branch can stay.
    for path in sorted(settings, key=lambda path: (path.count("."), not path.endswith(".kind"))):
        keys = path.split(".")
        branch = tree
        for key in keys[:-1]:
            child = branch.get(key)
            if child is None:
                child = branch[key] = {}
            if not isinstance(child, dict):
                raise UserError(f"{path}: unknown setting ({key} holds no settings of its own)")
            branch = child
        is_new_kind = keys[-1] == "kind" and branch.get("kind", settings[path]) != settings[path]
        branch[keys[-1]] = copy.deepcopy(settings[path])  # later settings may change it
        if is_new_kind:
            _drop_unshared_settings(tree, branch, keys[:-1])


def _drop_unshared_settings(tree: dict[str, Any], branch: dict[str, Any], keys: list[str]) -> None:
    """Drop the settings of a branch that its new kind does not have."""
    try:
        _class_of(tree).model_validate(tree)
    except ValidationError as error:
        for problem in error.errors():
            where = keys_of(problem["loc"], tree)
            if problem["type"] == "extra_forbidden" and where[:-1] == keys:
                branch.pop(where[-1], None)


def _remove(tree: Any, keys: list[str]) -> None:
    """Remove a setting; for an item of a list, the whole list."""
    for key in keys[:-1]:
        child = tree.get(key)
        if not isinstance(child, dict):
            tree.pop(key, None)
            return
        tree = child
    tree.pop(keys[-1], None)
