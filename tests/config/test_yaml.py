"""YAML: what is read as what, and that what is written is read back by YAML 1.1 and 1.2."""

import pytest
from ruamel.yaml import YAML

from icl.config.yaml_text import dump_yaml, read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("1.0e-05", 1e-5),
        (".5", 0.5),
        ("1_000", 1000),
        ("010", 10),
        ("on", "on"),
        ("1:30", "1:30"),
        ("~", None),
        ("", None),
        ("true", True),
        ("[a, {b: 1}]", ["a", {"b": 1}]),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: object):
    assert read_yaml(text) == value
    assert type(read_yaml(text)) is type(value)


@pytest.mark.parametrize(
    ("text", "line", "named"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2", 3, "(c: "),
        ("a: 1\n2: 3", 2, "(2: "),
        ("a: 1\n? [1, 2]\n: 3", 2, "list"),
        ("a: {b: 1, b: 2}", 1, "(b: "),
        ("a: 1\n b: 2", 2, ""),
        ("a: [", 1, ""),
        ("a: 2020-99-99", None, ""),
        ("a: !!int foo", None, ""),
        ("a: !!bool foo", None, ""),
        ("a: !!python/name:os.system", 1, ""),
        ("\x00", None, ""),
        ("a: " + "[" * 10_000, None, ""),
    ],
)
def test_mistakes_are_one_line_with_the_number_of_the_line(text: str, line: int | None, named: str):
    with pytest.raises(ValueError, match="YAML") as caught:
        read_yaml(text)
    message = str(caught.value)
    assert "\n" not in message
    assert named in message
    assert line is None or message.startswith(f"line {line}: ")


TEXTS = "no y on off true null ~ 010 09 0o17 1:30 1e5 1e-5 .5 0x1f .inf .nan 2020-01-01 = << a:b"


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_what_is_written_means_the_same_in_all_versions(version: str):
    """Releases before this one read YAML 1.1."""
    tree = {
        "texts": [*TEXTS.split(), "", " blank ", "two\nlines", "it's: é", "word " * 50],
        "numbers": [1e-05, 1e22, -2.5e-07, 0.1, 3, 10**20, float("inf")],
        "others": [None, True, [], {}, [[1], [2, [3]]], {"a": {"b": []}}],
    } | {text: 1 for text in TEXTS.split() if text not in ("=", "<<")}
    yaml = YAML(typ="safe", pure=True)
    yaml.version = version
    assert yaml.load(dump_yaml(tree)) == read_yaml(dump_yaml(tree)) == tree
    assert list(read_yaml(dump_yaml(tree))) == list(tree)


def test_records_keep_their_form():
    """Records of earlier releases were written in this form, byte for byte."""
    tree = {"data": {"mixture": {}, "rate": 1e-05}, "list": ["a", [1, 2]], "text": "a: b"}
    text = "data:\n  mixture: {}\n  rate: 1.0e-05\nlist:\n- a\n- - 1\n  - 2\ntext: 'a: b'\n"
    assert dump_yaml(tree) == text
