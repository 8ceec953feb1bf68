"""YAML as text: what config files and records are read from and written as."""

import io
import sys
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import ConstructorError, SafeConstructor
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode
from ruamel.yaml.representer import SafeRepresenter
from ruamel.yaml.resolver import VersionedResolver, implicit_resolvers


def read_yaml(text: str) -> Any:
    """Read YAML 1.2 as dictionaries, lists, texts and numbers; an empty text gives None.

    Raises ValueError for anything that is not YAML, for keys that are not texts and for keys given
    twice. Its message is one line and gives the number of the line in the text.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _NamedKeys
    try:
        return yaml.load(text)
    except YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        line = f"line {mark.line + 1}: " if mark else ""
        problem = " ".join(str(problem or "unreadable").split())
        raise ValueError(f"{line}not valid YAML ({problem})") from None
    except (ValueError, LookupError, AttributeError, RecursionError):  # such as the date 2020-99-99
        raise ValueError("not valid YAML (unreadable)") from None


def dump_yaml(tree: Any) -> str:
    """Write YAML with the same meaning to readers of YAML 1.1 and 1.2; keys keep their order."""
    yaml: Any = YAML(typ="safe", pure=True)
    yaml.Resolver, yaml.Representer = _AnyVersion, _FloatsWithPoints
    yaml.width = sys.maxsize  # a folded line would end in a blank
    yaml.default_flow_style = yaml.allow_unicode = yaml.sort_base_mapping_type_on_output = False
    text = io.StringIO()
    yaml.dump(tree, text)
    return text.getvalue()


class _NamedKeys(SafeConstructor):
    """Refuses keys that are not texts, and keys given twice."""

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> Any:
        keys = [key.value for key, _ in node.value]
        for (key, _), name in zip(node.value, keys, strict=True):
            if key.tag == "tag:yaml.org,2002:merge":  # `<<: *table` stands for all that is in it
                continue
            if key.tag != "tag:yaml.org,2002:str" or keys.count(name) > 1:
                shown = name if isinstance(key, ScalarNode) else "a list or table"
                problem = "given twice" if keys.count(name) > 1 else "not the name of a setting"
                raise ConstructorError(None, None, f"{shown}: {problem}", key.start_mark)
        return super().construct_mapping(node, deep)


def _rules_of_all_versions() -> dict[str, list[Any]]:
    rules: dict[str, list[Any]] = {}
    for _, tag, pattern, first_characters in implicit_resolvers:
        for character in first_characters:
            rules.setdefault(character, []).append((tag, pattern))
    return rules


class _AnyVersion(VersionedResolver):
    """Finds texts that some version of YAML reads as something else, as `no`: they get quotes."""

    versioned_resolver = _rules_of_all_versions()


class _FloatsWithPoints(SafeRepresenter):
    """Writes 1e-05 as 1.0e-05, as YAML 1.1 takes the former for a text."""

    def represent_float(self, data: float) -> ScalarNode:
        node = super().represent_float(data)
        if "e" in node.value and "." not in node.value:
            node.value = node.value.replace("e", ".0e")
        return node


_FloatsWithPoints.add_representer(float, _FloatsWithPoints.represent_float)
