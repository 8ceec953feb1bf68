"""Configs in files and on the command line: YAML, `a.b=value` overrides, one line per mistake."""

import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from icl.config import ExperimentConfig
from icl.errors import UserError


class _Loader(yaml.SafeLoader):
    """YAML 1.1 takes 1e-3 for a string; here it is a number, as in Python."""


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


def load_config(path: str | Path, overrides: list[str] | None = None) -> ExperimentConfig:
    """Read a YAML file, apply `dotted.key=value` overrides, validate.

    Raises UserError with a line for every mistake.
    """
    tree = read_yaml(Path(path))
    if not isinstance(tree, dict):
        raise UserError(f"{path}: a list of settings expected, such as `seed: 0`")
    # Kinds first: a new kind decides which other settings of its branch can stay.
    for override in sorted(overrides or [], key=lambda text: not _is_kind(text)):
        _override(tree, override)
    return parse_config(tree)


def read_yaml(path: Path) -> Any:
    """The content of a YAML file. Raises UserError where there is none."""
    try:
        return yaml.load(path.read_text(), _Loader) or {}
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise UserError(f"{path}: cannot be read ({reason}); allowed: a YAML file") from None
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f"line {where.line + 1}: " if where else ""
        problem = getattr(error, "problem", None) or "unreadable"
        raise UserError(f"{path}: {line}not valid YAML ({problem})") from None


def parse_config(tree: dict[str, Any]) -> ExperimentConfig:
    """Validate. Raises UserError with a line for every mistake, the cross-field ones included."""
    try:
        return ExperimentConfig.model_validate(tree)
    except ValidationError as error:
        problems = error.errors()
    lines = [line for problem in problems for line in _describe(problem, tree)]
    # Checks between fields wait until the fields are right: run them on what is left.
    bad = [_keys(problem["loc"], tree) for problem in problems if problem["type"] != "value_error"]
    for keys in bad:
        _remove(tree, keys)
    if bad:
        names = [".".join(keys) for keys in bad]
        try:
            ExperimentConfig.model_validate(tree)
        except ValidationError as error:
            lines += [
                line
                for problem in error.errors()
                for line in _describe(problem, tree)
                if line not in lines and not any(_mentions(line, name) for name in names)
            ]
    raise UserError(*lines)


def dump_config(config: ExperimentConfig) -> str:
    """The resolved config as YAML; `load_config` gives it back."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def differences(old: ExperimentConfig, new: ExperimentConfig) -> list[str]:
    """One line for each field that differs."""
    flat_old, flat_new = (
        _flatten(old.model_dump(mode="json")),
        _flatten(new.model_dump(mode="json")),
    )
    keys = list(flat_old) + [key for key in flat_new if key not in flat_old]
    return [
        f"{key} = {flat_new.get(key, '(unset)')}, was {flat_old.get(key, '(unset)')}"
        for key in keys
        if flat_old.get(key, "(unset)") != flat_new.get(key, "(unset)")
    ]


def _mentions(line: str, field: str) -> bool:
    return re.search(rf"(?<![\w.]){re.escape(field)}(?![\w.])", line) is not None


def _is_kind(override: str) -> bool:
    return override.partition("=")[0].endswith(".kind")


def _override(tree: dict[str, Any], text: str) -> None:
    path, equals, value = text.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise UserError(f"{text}: not understood; allowed: KEY=VALUE, such as data.p_bursty=0.5")
    try:
        parsed = yaml.load(value, _Loader)
    except yaml.YAMLError:
        raise UserError(f"{path} = {value}; allowed: a value as in YAML") from None
    for key in keys[:-1]:
        child = tree.setdefault(key, {})
        if not isinstance(child, dict):
            raise UserError(f"{path}: unknown setting ({key} holds no settings of its own)")
        tree = child
    if keys[-1] == "kind" and tree.get("kind", parsed) != parsed:
        _keep_shared_settings(tree, keys[:-1], parsed)
    tree[keys[-1]] = parsed


def _keep_shared_settings(tree: dict[str, Any], keys: list[str], kind: Any) -> None:
    """Drop what the new kind of a branch does not have, such as another embedder's sizes."""
    probe: dict[str, Any] = dict.fromkeys(tree) | {"kind": kind}
    nested: dict[str, Any] = probe
    for key in reversed(keys):
        nested = {key: nested}
    try:
        ExperimentConfig.model_validate(nested)
    except ValidationError as error:
        for problem in error.errors():
            if problem["type"] == "extra_forbidden":
                tree.pop(str(problem["loc"][-1]), None)


def _keys(loc: tuple[int | str, ...], tree: Any) -> list[str]:
    """A pydantic location as keys of the tree: without the tags of unions."""
    keys = []
    for part in loc:
        if isinstance(tree, dict) and part not in tree and tree.get("kind") == part:
            continue
        keys.append(str(part))
        if isinstance(tree, dict):
            tree = tree.get(part)
    return keys


def _describe(problem: Any, tree: dict[str, Any]) -> list[str]:
    """Lines that name the field, the value, and what is allowed."""
    field = ".".join(_keys(problem["loc"], tree))
    value, context = problem["input"], problem.get("ctx", {})
    match problem["type"]:
        case "value_error":
            return str(context["error"]).split("\n")
        case "extra_forbidden":
            parent = field.rpartition(".")[0]
            siblings = _fields(problem["loc"][:-1])
            where = f" of {parent}" if parent else ""
            return [f"{field}: unknown setting; allowed{where}: {', '.join(siblings)}"]
        case "union_tag_invalid":
            return [f"{field}.kind = {context['tag']}; allowed: {context['expected_tags']}"]
        case "union_tag_not_found":
            return [f"{field}.kind: missing; allowed: one kind, see the documentation"]
        case "missing":
            return [f"{field}: missing"]
        case "model_type" | "model_attributes_type" | "dict_type":
            return [f"{field} = {value}; allowed: settings: {', '.join(_fields(problem['loc']))}"]
    allowed = _bounds(problem["loc"]) or problem["msg"].removeprefix("Input should be ")
    return [f"{field} = {value}; allowed: {allowed}"]


def _schema(loc: tuple[int | str, ...]) -> dict[str, Any]:
    """The JSON schema of what is at a pydantic location."""
    root = ExperimentConfig.model_json_schema()

    def resolve(node: dict[str, Any]) -> dict[str, Any]:
        return root["$defs"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node

    node = root
    for part in loc:
        if "discriminator" in node:
            node = resolve({"$ref": node["discriminator"]["mapping"][str(part)]})
        elif isinstance(part, int):
            node = resolve(node["items"])
        else:
            node = resolve(node["properties"][part])
    return node


def _fields(loc: tuple[int | str, ...]) -> list[str]:
    """Names of the settings of the branch at a pydantic location."""
    return list(_schema(loc).get("properties", {}))


def _bounds(loc: tuple[int | str, ...]) -> str:
    """What a number at a pydantic location may be; empty for what is not a number."""
    node = _schema(loc)
    options = node.get("anyOf", [node])  # a number or null
    number = next((o for o in options if o.get("type") in ("integer", "number")), None)
    if number is None:
        return ""
    words = {
        "minimum": "at least",
        "exclusiveMinimum": "above",
        "maximum": "at most",
        "exclusiveMaximum": "below",
    }
    limits = [f"{word} {number[key]}" for key, word in words.items() if key in number]
    kind = "a whole number" if number["type"] == "integer" else "a number"
    null = ", or null" if len(options) > 1 else ""
    return " ".join([kind, " and ".join(limits)]).strip() + null


def _remove(tree: Any, keys: list[str]) -> None:
    for key in keys[:-1]:
        tree = tree.get(key) if isinstance(tree, dict) else None
    if isinstance(tree, dict):
        tree.pop(keys[-1], None)


def _flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
