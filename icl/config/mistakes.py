"""Mistakes in a config as lines that name the field, the value and what is allowed.

They are made from what pydantic reports: the location, type and input of a problem.
"""

import json
import re
from functools import cache
from typing import Any, get_origin

from pydantic import BaseModel

from icl.config import ExperimentConfig
from icl.config.base import leaves_of
from icl.errors import allowed

MAX_SHOWN = 100  # characters of a value


def describe(
    problem: Any, tree: dict[str, Any], model: type[BaseModel] = ExperimentConfig
) -> list[str]:
    """Describe a problem in lines. model: the class of the whole tree."""
    field = ".".join(shown(key) for key in keys_of(problem["loc"], tree))
    context, start = problem.get("ctx", {}), f"{field} = {shown(problem['input'])}; allowed: "
    match problem["type"]:
        case "value_error":
            return str(context["error"]).split("\n")
        case "extra_forbidden":
            return [f"{field}: {_unknown(field, problem, model)}"]
        case "union_tag_invalid":
            kind, kinds = context["tag"], _quoted(context["expected_tags"])
            return [f"{field}.kind = {shown(kind)}; {allowed(kind, kinds)}"]
        case "literal_error":
            names = _quoted(context["expected"])
            return [f"{field} = {shown(problem['input'])}; {allowed(problem['input'], names)}"]
        case "union_tag_not_found":
            return [f"{field}.kind: missing; allowed: {_kinds(model, problem['loc'])}"]
        case "too_short":
            return [f"{start}at least {context['min_length']} of them"]
        case "too_long":
            return [f"{start}at most {context['max_length']} of them"]
        case "string_too_short":
            return [f"{field} is empty; allowed: a text"]
        case "string_type":
            return [f"{start}a text"]
        case "bool_type":
            return [f"{_start(field, problem)}true or false"]
        case "tuple_type" | "list_type":
            return [f"{start}a list such as [a, b]"]
        case "missing":
            return [f"{field}: missing; allowed: a value"]
        case "model_type" | "model_attributes_type" | "dict_type":
            return [f"{start}{_settings(model, problem['loc'])}"]
    bounds = _bounds(model, problem["loc"])
    return [
        _start(field, problem) + bounds
        if bounds
        else start + problem["msg"].removeprefix("Input should be ")
    ]


def _start(field: str, problem: Any) -> str:
    """The start of a line, with quotes around a text in place of what may look like it."""
    value = shown(problem["input"])
    if isinstance(problem["input"], str):
        value = json.dumps(value, ensure_ascii=False)
    return f"{field} = {value}; allowed: "


# Pages of the docs that list all settings of a branch.
PAGES = {"data": "docs/distribution.md", "model": "docs/networks.md"}


def _unknown(field: str, problem: Any, model: type[BaseModel]) -> str:
    """What is allowed in place of an unknown setting, of its branch or elsewhere."""
    parent, _, name = field.rpartition(".")
    siblings = _fields(model, problem["loc"][:-1])
    of, branch = (f" of {parent}", f"{parent}.") if parent else ("", "")
    known = allowed(name, siblings, of, PAGES.get(parent, ""), branch)
    elsewhere = [other for other in _names(model) if other.rpartition(".")[2] == name]
    if known.startswith("allowed") and elsewhere:
        known = f"did you mean {elsewhere[0]}? {known}"
    return f"unknown setting; {known}"


@cache
def _names(model: type[BaseModel], branch: str = "") -> tuple[str, ...]:
    """The dotted names of all settings, without those in tables whose names are the user's."""
    found: dict[str, None] = {}
    for name, info in model.model_fields.items():
        found[branch + name] = None
        if get_origin(info.annotation) is not dict:
            for leaf in leaves_of(info.annotation):
                if isinstance(leaf, type) and issubclass(leaf, BaseModel):
                    found |= dict.fromkeys(_names(leaf, f"{branch}{name}."))
    return tuple(found)


def _quoted(text: str) -> list[str]:
    """The names that pydantic lists in quotes."""
    return re.findall(r"'([^']*)'", text)


def shown(value: Any) -> str:
    """Format a value as in YAML, in one short line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    value = list(value) if isinstance(value, tuple) else value
    try:
        text = " ".join(str(value).split())
    except ValueError:  # a number with thousands of digits
        return "a number too long to be shown"
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "..."


def wrong_fields(problem: Any, tree: dict[str, Any]) -> list[str]:
    """The dotted names of the fields that a problem is about."""
    if problem["type"] != "value_error":
        return [".".join(keys_of(problem["loc"], tree))]
    # The line of a check between fields names them before the first "=".
    lines = str(problem["ctx"]["error"]).split("\n")
    return [
        name for line in lines for name in re.findall(r"[a-z_]+(?:\.\w+)+", line.partition("=")[0])
    ]


def mentions(line: str, field: str) -> bool:
    """Whether a line is about a field, or about the family that the field belongs to."""
    _, _, family = field.partition("data.families.")
    names = [rf"(?<![\w.]){re.escape(field)}(?![\w.])"]
    if family:
        name = re.escape(family.partition(".")[0])
        names.append(rf"(data\.mixture\.|data\.families\.|= | for ){name}\b")
    return any(re.search(name, line) for name in names)


def keys_of(loc: tuple[int | str, ...], tree: Any) -> list[str]:
    """Convert a pydantic location to keys of the tree, without the tags of unions."""
    keys = []
    for part in loc:
        if isinstance(tree, dict) and part not in tree and tree.get("kind") == part:
            continue
        if isinstance(tree, list) and isinstance(part, str):  # an item of some kind
            tree = next((i for i in tree if isinstance(i, dict) and i.get("kind") == part), None)
            if tree is not None and part not in tree:
                continue
        keys.append(str(part))
        if isinstance(tree, dict):
            tree = tree.get(part)
    return keys


@cache
def _root(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def forget_schemas() -> None:
    """Forget the schemas of settings, which a part from outside has changed."""
    _root.cache_clear()


def _schema(model: type[BaseModel], loc: tuple[int | str, ...]) -> dict[str, Any]:
    """The JSON schema of what is at a pydantic location."""
    root = _root(model)

    def resolve(node: dict[str, Any]) -> dict[str, Any]:
        # A branch, or a branch or null.
        reference = next((o["$ref"] for o in [node, *node.get("anyOf", [])] if "$ref" in o), None)
        return root["$defs"][reference.rpartition("/")[2]] if reference else node

    node = root
    for part in loc:
        if "discriminator" in node:
            node = resolve({"$ref": node["discriminator"]["mapping"][str(part)]})
        elif isinstance(part, int):
            # A list, or a list or null.
            node = next(n for n in node.get("anyOf", [node]) if "items" in n)
            node = resolve(node["items"])
        else:
            # A setting, or an entry of a table whose names are the user's.
            node = resolve(node.get("properties", {}).get(part) or node["additionalProperties"])
    return node


def _fields(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """The names of the settings of the branch at a pydantic location."""
    return list(_schema(model, loc).get("properties", {}))


def _settings(model: type[BaseModel], loc: tuple[int | str, ...]) -> str:
    """Describe what the branch at a pydantic location holds."""
    fields, entry = _fields(model, loc), _schema(model, loc).get("additionalProperties")
    if fields:
        return f"its own settings: {', '.join(fields)}"
    if isinstance(entry, dict):
        return f"a table of names and {'weights' if 'type' in entry else 'settings'}"
    return f"its own settings: kind ({_kinds(model, loc)})"


def _kinds(model: type[BaseModel], loc: tuple[int | str, ...]) -> str:
    """The kinds of a branch that has several, as text."""
    return ", ".join(_schema(model, loc).get("discriminator", {}).get("mapping", {}))


def _bounds(model: type[BaseModel], loc: tuple[int | str, ...]) -> str:
    """Describe the range of a number at a pydantic location; empty for other settings."""
    node = _schema(model, loc)
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
    limits = [f"{word} {number[key]:.15g}" for key, word in words.items() if key in number]
    kind = "a whole number" if number["type"] == "integer" else "a number"
    null = ", or null" if len(options) > 1 else ""
    return " ".join([kind, " and ".join(limits)]).strip() + null
