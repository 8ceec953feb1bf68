"""Configs in files and on the command line: YAML, `a.b=value` overrides, one line per mistake."""

import copy
import re
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from icl.config import AnyConfig, ExperimentConfig, TaskExperimentConfig
from icl.config.mistakes import describe, keys_of, mentions, wrong_fields
from icl.config.traced import flatten
from icl.errors import UserError

Config = TypeVar("Config", bound=BaseModel)


class _Loader(yaml.SafeLoader):
    """YAML whose 1e-3 is a number and not, as YAML 1.1 has it, a string; whose keys are names."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [key.value for key, _ in node.value]
        for (key, _), name in zip(node.value, keys, strict=True):
            if key.tag == "tag:yaml.org,2002:merge":  # `<<: *table`: all that is in it
                continue
            if key.tag != "tag:yaml.org,2002:str" or keys.count(name) > 1:
                problem = "given twice" if keys.count(name) > 1 else "not the name of a setting"
                raise yaml.constructor.ConstructorError(
                    None, None, f"{name}: {problem}", key.start_mark
                )
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"""^[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?
        |[0-9][0-9_]*[eE][-+]?[0-9]+|\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?
        |\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$""",
        re.X,
    ),
    list("-+0123456789."),
)


def load_config(path: str | Path, overrides: list[str] | None = None) -> Any:
    """Read a YAML file, apply `dotted.key=value` overrides, validate: an `AnyConfig`.

    Raises UserError with a line for every mistake.
    """
    tree = read_settings(path)
    settings: dict[str, Any] = {}
    for text in overrides or []:
        settings = with_setting(settings, *parse_override(text))
    override(tree, settings)
    return parse_config(tree)


def read_settings(path: str | Path) -> dict[str, Any]:
    """The settings in a YAML file, not validated. Raises UserError where there are none."""
    tree = _read_yaml(Path(path))
    if not isinstance(tree, dict):
        raise UserError(f"{path}: no settings found; allowed: lines such as `seed: 0`")
    return tree


def _read_yaml(path: Path) -> Any:
    try:
        return _parse(path.read_text()) or {}
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise UserError(f"{path}: cannot be read ({reason}); allowed: a YAML file") from None
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f"line {where.line + 1}: " if where else ""
        problem = getattr(error, "problem", None) or "unreadable"
        raise UserError(f"{path}: {line}not valid YAML ({problem})") from None


def parse_config(tree: dict[str, Any]) -> AnyConfig:
    """Validate. Raises UserError with a line for every mistake, the cross-field ones included."""
    return parse(tree, _class_of(tree))


def _class_of(tree: dict[str, Any]) -> Any:
    """A run on a task over time is one that has a task."""
    return TaskExperimentConfig if "task" in tree else ExperimentConfig


def parse(tree: dict[str, Any], model: type[Config]) -> Config:
    """Validate settings of any kind, in the same way."""
    lines: list[str] = []
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
        # Checks between fields wait until the fields are right: so what is wrong is taken out,
        # and the rest validated once more, until nothing new is found.
        found = [line for problem in problems for line in describe(problem, tree, model)]
        lines += [line for line in found if not any(mentions(line, name) for name in wrong)]
        fields = {name for problem in problems for name in wrong_fields(problem, tree)} - wrong
        if not fields:
            raise UserError(*lines)
        wrong |= fields
        for name in fields:
            _remove(tree, name.split("."))


def dump_config(config: AnyConfig) -> str:
    """The resolved config as YAML; `load_config` gives it back."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def differences(old: AnyConfig, new: AnyConfig) -> list[str]:
    """One line for each field that differs."""
    flat_old, flat_new = (flatten(config.model_dump(mode="json")) for config in (old, new))
    keys = list(flat_old) + [key for key in flat_new if key not in flat_old]
    return [
        f"{key} = {flat_new.get(key, '(unset)')}, was {flat_old.get(key, '(unset)')}"
        for key in keys
        if flat_old.get(key, "(unset)") != flat_new.get(key, "(unset)")
    ]


def _parse(text: str) -> Any:
    try:
        return yaml.load(text, _Loader)
    except (ValueError, AttributeError, RecursionError) as error:  # such as the date 2020-99-99
        if isinstance(error, UnicodeDecodeError):
            raise
        raise yaml.YAMLError(str(error)) from None


def _innermost(problems: list[Any]) -> list[Any]:
    """Without those of a list whose items have problems of their own."""
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
    """`dotted.key=value` as the name of a setting and its value. Raises UserError."""
    path, equals, value = text.partition("=")
    path = path.strip()
    if not equals or not all(path.split(".")):
        raise UserError(f"{text}: not understood; allowed: KEY=VALUE, such as data.p_bursty=0.5")
    try:
        return path, _parse(value)
    except yaml.YAMLError:
        raise UserError(f"{path} = {value[:50]}; allowed: a value as in YAML") from None


def with_setting(settings: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Settings, by dotted name, and a later one, which takes the place of all within its branch."""
    others = {key: old for key, old in settings.items() if not is_within(key, path)}
    return others | {path: value}


def is_within(path: str, branch: str) -> bool:
    """Whether a setting is a part of a branch, or all of it; both by dotted name."""
    return f"{path}.".startswith(f"{branch}.")


def override(tree: dict[str, Any], settings: dict[str, Any]) -> None:
    """Put settings, by dotted name, in place of a tree's own. Raises UserError."""
    # A whole branch before what is set within it; then kinds before what is beside them: a new kind
    # decides which other settings of its branch can stay.
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
        branch[keys[-1]] = copy.deepcopy(settings[path])  # a branch may be changed by what follows
        if is_new_kind:
            _drop_unshared_settings(tree, branch, keys[:-1])


def _drop_unshared_settings(tree: dict[str, Any], branch: dict[str, Any], keys: list[str]) -> None:
    """Drop what the new kind of a branch does not have, such as another embedder's sizes."""
    try:
        _class_of(tree).model_validate(tree)
    except ValidationError as error:
        for problem in error.errors():
            where = keys_of(problem["loc"], tree)
            if problem["type"] == "extra_forbidden" and where[:-1] == keys:
                branch.pop(where[-1], None)


def _remove(tree: Any, keys: list[str]) -> None:
    """Take out a setting; of a list, all of it."""
    for key in keys[:-1]:
        child = tree.get(key)
        if not isinstance(child, dict):
            tree.pop(key, None)
            return
        tree = child
    tree.pop(keys[-1], None)
