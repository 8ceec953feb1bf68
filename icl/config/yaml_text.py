"""YAML as text: what config files and records are read from and written as."""

import io
import re
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import ConstructorError, SafeConstructor
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode
from ruamel.yaml.representer import SafeRepresenter
from ruamel.yaml.resolver import VersionedResolver, implicit_resolvers

# Entries of a text with all aliases (`*name`) replaced by what they stand for. Files are far below,
# and far above a file of some lines would fill the memory.
MAX_ENTRIES = 1_000_000


def read_text(path: str | Path) -> str:
    """Read a text file in UTF-8, whatever the locale's encoding.

    Raises OSError, and ValueError with one line if the file has another encoding.
    """
    try:
        return Path(path).read_text(encoding="utf-8-sig")  # a byte order mark is no text
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start + 1} is not UTF-8") from None


def read_yaml(text: str) -> Any:
    """Read YAML 1.2 as dictionaries, lists, texts and numbers; an empty text gives None.

    Plain words are those of the core schema: 010 is ten, 0o10 is eight, and 1:30 and 2020-01-01 are
    texts.

    Raises ValueError for anything that is not YAML, for keys that are not texts, for keys given
    twice, and for aliases that stand for too much. Its message is one line and gives the number of
    the line in the text.
    """
    yaml: Any = YAML(typ="safe", pure=True)
    yaml.Constructor, yaml.Resolver = _NamedKeys, _CoreSchema
    try:
        if (other := re.search(r"^%YAML[ \t]+(?!1\.2\s)(\S+)", text, re.MULTILINE)) is not None:
            number = text.count("\n", 0, other.start()) + 1
            raise _Refused(f"line {number}: %YAML {other[1]}; allowed: YAML 1.2")
        return yaml.load(text)
    except _Refused:
        raise
    except YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        line = f"line {mark.line + 1}: " if mark else ""
        problem = " ".join(str(problem or "unreadable").split())
        raise ValueError(f"{line}not valid YAML ({problem})") from None
    except (ValueError, LookupError, AttributeError, RecursionError):  # such as `!!int three`
        raise ValueError("not valid YAML (unreadable)") from None


class _Refused(ValueError):
    """A text that is YAML, but is not read; the message is the whole line."""


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
    """Refuses keys that are not texts, keys given twice, and aliases that stand for too much."""

    def construct_document(self, node: Node) -> Any:
        _count_entries(node, {})
        return super().construct_document(node)

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


def _count_entries(node: Node, counts: dict[int, int]) -> int:
    """Count the nodes below and including one, those of an alias wherever it stands.

    counts: of the nodes seen, by id; 0 while a node is counted. Raises _Refused.
    """
    if isinstance(node, ScalarNode):
        return 1
    line = f"line {node.start_mark.line + 1}"
    if id(node) in counts:
        if not counts[id(node)]:
            raise _Refused(f"{line}: contains itself; allowed: aliases of what comes before")
        return counts[id(node)]
    counts[id(node)] = 0
    is_table = isinstance(node, MappingNode)
    children = [part for pair in node.value for part in pair] if is_table else node.value
    count = 1 + sum(_count_entries(child, counts) for child in children)
    if count > MAX_ENTRIES:
        raise _Refused(
            f"{line}: {count:.3g} entries with all aliases replaced; allowed: at most {MAX_ENTRIES}"
        )
    counts[id(node)] = count
    return count


def _rules(*versions: tuple[int, int], without: tuple[str, ...] = ()) -> dict[str, list[Any]]:
    """The tags of plain words by their first character, as resolvers have them."""
    rules: dict[str, list[Any]] = {}
    for of_versions, tag, pattern, first_characters in implicit_resolvers:
        if set(of_versions) & set(versions) and tag.rpartition(":")[2] not in without:
            for character in first_characters:
                rules.setdefault(character, []).append((tag, pattern))
    return rules


class _CoreSchema(VersionedResolver):
    """Finds the types of plain words in the core schema of YAML 1.2, and digits in groups (1_000).

    The schema has neither dates nor `=`: they are texts.
    """

    versioned_resolver = _rules((1, 2), without=("timestamp", "value"))


class _AnyVersion(VersionedResolver):
    """Finds texts that some version of YAML reads as something else, as `no`: they get quotes."""

    versioned_resolver = _rules((1, 1), (1, 2))


class _FloatsWithPoints(SafeRepresenter):
    """Writes 1e-05 as 1.0e-05, as YAML 1.1 takes the former for a text."""

    def represent_float(self, data: float) -> ScalarNode:
        node = super().represent_float(data)
        if "e" in node.value and "." not in node.value:
            node.value = node.value.replace("e", ".0e")
        return node


_FloatsWithPoints.add_representer(float, _FloatsWithPoints.represent_float)
