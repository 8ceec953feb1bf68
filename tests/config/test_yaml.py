"""YAML: what is read as what, and that what is written is read back by YAML 1.1 and 1.2."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml as pyyaml
from ruamel.yaml import YAML

from icl.config.yaml import load_config
from icl.config.yaml_text import MAX_ENTRIES, dump_yaml, read_yaml

from ..conftest import QUICKSTART
from ..messages import refused


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("1.0e-05", 1e-5),
        (".5", 0.5),
        ("1_000", 1000),
        ("010", 10),
        ("09", 9),
        ("-010", -10),
        ("0o10", 8),
        ("0x1F", 31),
        ("010.5", 10.5),
        ("!!int 010", 10),
        ("on", "on"),
        ("1:30", "1:30"),
        ("190:20:30.15", "190:20:30.15"),
        ("2020-01-01", "2020-01-01"),
        ("2020-99-99", "2020-99-99"),
        ("=", "="),
        ("~", None),
        ("", None),
        ("true", True),
        ("[a, {b: 1}]", ["a", {"b": 1}]),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: object):
    for found in (read_yaml(text), *read_yaml(f"[{text or 'null'}]"), read_yaml(f"a: {text}")["a"]):
        assert found == value
        assert type(found) is type(value)


def test_a_number_is_the_same_in_a_file_and_on_the_command_line(tmp_path: Path):
    (path := tmp_path / "run.yaml").write_text("seed: 010\n")
    assert load_config(path).seed == load_config(QUICKSTART, ["seed=010"]).seed == 10
    assert load_config(QUICKSTART, ["seed=0o10"]).seed == 8
    with refused('seed = "1:30"', "whole number"):
        load_config(QUICKSTART, ["seed=1:30"])


@pytest.mark.parametrize(
    ("text", "line", "named"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2", 3, "(c: "),
        ("a: 1\n2: 3", 2, "(2: "),
        ("a: 1\n? [1, 2]\n: 3", 2, "list"),
        ("a: {b: 1, b: 2}", 1, "(b: "),
        ("a: 1\n b: 2", 2, ""),
        ("a: [", 1, ""),
        ("\n%YAML 1.1\n---\na: 010", 2, "%YAML 1.1"),
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


def test_aliases_that_multiply_are_refused_before_they_do():
    """Eight lists, each of nine times the one before, are 43 million words."""
    lines = ["l0: &l0 [word]"]
    lines += [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]" for i in range(1, 9)]
    with pytest.raises(ValueError, match=rf"^line 7: .* entries .* at most {MAX_ENTRIES}$"):
        read_yaml("\n".join(lines))
    assert len(read_yaml("\n".join(lines[:4]))["l3"]) == 9
    with pytest.raises(ValueError, match=r"^line 1: contains itself; "):
        read_yaml("a: &a [1, *a]")


def test_aliases_repeat_settings():
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: [*a, *a]"
    one = {"x": 1, "y": 2}
    assert read_yaml(text) == {"a": one, "b": {"x": 1, "y": 3}, "c": [one, one]}


def test_files_are_utf_8_in_any_locale(tmp_path: Path):
    (path := tmp_path / "run.yaml").write_bytes("seed: 3  # é\n".encode())
    code = "import sys, icl.config.yaml as yaml; print(yaml.load_config(sys.argv[1]).seed)"
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    words = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(words, env=os.environ | locale, capture_output=True, check=True)
    assert done.stdout == b"3\n"


def test_other_encodings_are_named(tmp_path: Path):
    (path := tmp_path / "run.yaml").write_bytes("seed: 3  # é\n".encode("latin-1"))
    with refused(f"{path}: cannot be read (byte 12 is not UTF-8)", "a YAML file in UTF-8"):
        load_config(path)
    path.write_text("seed: 3", encoding="utf-8-sig")
    assert load_config(path).seed == 3


TEXTS = """
    no y on off true null ~ 010 09 0o17 1:30 1e5 1e-5 .5 0x1f .inf .nan 2020-01-01 = << a:b
    0b11 1_000 0o10 0x_1 +1 -07 190:20:30.15 685_230.15 12e03 .NaN Null TRUE Yes N
    2001-12-14t21:59:43.10-05:00
"""


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
    assert pyyaml.safe_load(dump_yaml(tree)) == tree


def test_records_keep_their_form():
    """Records of earlier releases were written in this form, byte for byte."""
    tree = {"data": {"mixture": {}, "rate": 1e-05}, "list": ["a", [1, 2]], "text": "a: b"}
    text = "data:\n  mixture: {}\n  rate: 1.0e-05\nlist:\n- a\n- - 1\n  - 2\ntext: 'a: b'\n"
    assert dump_yaml(tree) == text
