"""Mistakes in a config, told in lines that name the field, the value and what is allowed.

From what pydantic reports: a problem's location, type and input, and the tree it was found in.
"""

import re
from functools import cache
from typing import Any

from pydantic import BaseModel

from icl.config import ExperimentConfig

MAX_SHOWN = 100  # characters of a value


def describe(
    problem: Any, tree: dict[str, Any], model: type[BaseModel] = ExperimentConfig
) -> list[str]:
    """Lines that name the field, the value, and what is allowed. model: of the whole tree."""
    field = ".".join(shown(key) for key in keys_of(problem["loc"], tree))
    context, told = problem.get("ctx", {}), f"{field} = {shown(problem['input'])}; allowed: "
    match problem["type"]:
        case "value_error":
            return str(context["error"]).split("\n")
        case "extra_forbidden":
            parent = field.rpartition(".")[0]
            siblings = _fields(model, problem["loc"][:-1])
            where = f" of {parent}" if parent else ""
            return [f"{field}: unknown setting; allowed{where}: {', '.join(siblings)}"]
        case "union_tag_invalid":
            return [f"{field}.kind = {shown(context['tag'])}; allowed: {context['expected_tags']}"]
        case "union_tag_not_found":
            return [f"{field}.kind: missing; allowed: {_kinds(model, problem['loc'])}"]
        case "too_short":
            return [f"{told}at least {context['min_length']} of them"]
        case "too_long":
            return [f"{told}at most {context['max_length']} of them"]
        case "string_too_short":
            return [f"{field} is empty; allowed: a text"]
        case "tuple_type" | "list_type":
            return [f"{told}a list such as [a, b]"]
        case "missing":
            return [f"{field}: missing; allowed: a value"]
        case "model_type" | "model_attributes_type" | "dict_type":
            return [f"{told}{_settings(model, problem['loc'])}"]
    return [
        told + (_bounds(model, problem["loc"]) or problem["msg"].removeprefix("Input should be "))
    ]


def shown(value: Any) -> str:
    """A value as YAML has it, in one short line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    value = list(value) if isinstance(value, tuple) else value
    try:
        text = " ".join(str(value).split())
    except ValueError:  # of a number with thousands of digits
        return "a number too long to be shown"
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "..."


def wrong_fields(problem: Any, tree: dict[str, Any]) -> list[str]:
    """Dotted names of the fields that a problem blames."""
    if problem["type"] != "value_error":
        return [".".join(keys_of(problem["loc"], tree))]
    # A check between fields names those it blames before the first "=".
    lines = str(problem["ctx"]["error"]).split("\n")
    return [
        name for line in lines for name in re.findall(r"[a-z_]+(?:\.\w+)+", line.partition("=")[0])
    ]


def mentions(line: str, field: str) -> bool:
    """Whether a line is about a field, or about the family that it is a setting of."""
    _, _, family = field.partition("data.families.")
    names = [rf"(?<![\w.]){re.escape(field)}(?![\w.])"]
    if family:
        name = re.escape(family.partition(".")[0])
        names.append(rf"(data\.mixture\.|data\.families\.|= | for ){name}\b")
    return any(re.search(name, line) for name in names)


def keys_of(loc: tuple[int | str, ...], tree: Any) -> list[str]:
    """A pydantic location as keys of the tree: without the tags of unions."""
    keys = []
    for part in loc:
        if isinstance(tree, dict) and part not in tree and tree.get("kind") == part:
            continue
        keys.append(str(part))
        if isinstance(tree, dict):
            tree = tree.get(part)
    return keys


@cache
def _root(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


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
    """Names of the settings of the branch at a pydantic location."""
    return list(_schema(model, loc).get("properties", {}))


def _settings(model: type[BaseModel], loc: tuple[int | str, ...]) -> str:
    """What the branch at a pydantic location is made of."""
    fields, entry = _fields(model, loc), _schema(model, loc).get("additionalProperties")
    if fields:
        return f"its own settings: {', '.join(fields)}"
    if isinstance(entry, dict):
        return f"a table of names and {'weights' if 'type' in entry else 'settings'}"
    return f"its own settings: kind ({_kinds(model, loc)})"


def _kinds(model: type[BaseModel], loc: tuple[int | str, ...]) -> str:
    """Names of the kinds that a branch told apart by `kind` can have."""
    return ", ".join(_schema(model, loc).get("discriminator", {}).get("mapping", {}))


def _bounds(model: type[BaseModel], loc: tuple[int | str, ...]) -> str:
    """What a number at a pydantic location may be; empty for what is not a number."""
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
    limits = [f"{word} {shown(number[key])}" for key, word in words.items() if key in number]
    kind = "a whole number" if number["type"] == "integer" else "a number"
    null = ", or null" if len(options) > 1 else ""
    return " ".join([kind, " and ".join(limits)]).strip() + null
