"""Mistakes in a config, told in lines that name the field, the value and what is allowed.

From what pydantic reports: a problem's location, type and input, and the tree it was found in.
"""

import re
from typing import Any

from icl.config import ExperimentConfig


def describe(problem: Any, tree: dict[str, Any]) -> list[str]:
    """Lines that name the field, the value, and what is allowed."""
    field = ".".join(keys_of(problem["loc"], tree))
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
            return [f"{field}.kind: missing; allowed: {_kinds(problem['loc'])}"]
        case "too_short":
            return [f"{field} = {list(value)}; allowed: at least {context['min_length']} of them"]
        case "tuple_type":
            return [f"{field} = {value}; allowed: a list such as [a, b]"]
        case "missing":
            return [f"{field}: missing"]
        case "model_type" | "model_attributes_type" | "dict_type":
            settings = ", ".join(_fields(problem["loc"])) or f"kind ({_kinds(problem['loc'])})"
            return [f"{field} = {value}; allowed: its own settings: {settings}"]
    allowed = _bounds(problem["loc"]) or problem["msg"].removeprefix("Input should be ")
    return [f"{field} = {value}; allowed: {allowed}"]


def wrong_fields(problem: Any, tree: dict[str, Any]) -> list[str]:
    """Dotted names of the fields that a problem blames."""
    if problem["type"] != "value_error":
        return [".".join(keys_of(problem["loc"], tree))]
    # A check between fields names those it blames before the first "=".
    lines = str(problem["ctx"]["error"]).split("\n")
    return [
        name
        for line in lines
        for name in re.findall(r"[a-z_]+(?:\.[a-z_]+)+", line.partition("=")[0])
    ]


def mentions(line: str, field: str) -> bool:
    """Whether a line is about a field."""
    return re.search(rf"(?<![\w.]){re.escape(field)}(?![\w.])", line) is not None


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


def _kinds(loc: tuple[int | str, ...]) -> str:
    """Names of the kinds that a branch told apart by `kind` can have."""
    return ", ".join(_schema(loc).get("discriminator", {}).get("mapping", {}))


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
