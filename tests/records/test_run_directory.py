"""The files of a run: whole or not at all, one writer, nothing foreign overwritten."""

import json
import os
import resource
from pathlib import Path

import pytest

from icl.errors import UserError
from icl.files import write_whole
from icl.records.lines import append_line, read_lines
from icl.records.run_directory import RunDirectory

from ..messages import refused


def test_a_file_is_replaced_whole_or_left_as_it_is(tmp_path: Path):
    path = tmp_path / "file"
    write_whole(path, "old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # as a full disk would
    try:
        with pytest.raises(OSError, match="too large"):
            write_whole(path, "new" * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_torn_last_line_is_set_aside(tmp_path: Path):
    path = tmp_path / "metrics.jsonl"
    append_line(path, {"step": 1})
    append_line(path, {"step": 2})
    whole = path.read_bytes()
    for cut in range(len(whole) // 2 + 1, len(whole)):
        path.write_bytes(whole[:cut])
        assert read_lines(path) == [{"step": 1}]


def test_a_corrupt_line_before_the_last_is_named(tmp_path: Path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"st\n{"step": 3}\n')
    with refused("metrics.jsonl: line 2"):
        read_lines(path)


def test_no_file_has_no_lines(tmp_path: Path):
    assert read_lines(tmp_path / "metrics.jsonl") == []


def test_rewinding_forgets_what_comes_after_a_step(tmp_path: Path, small_config):
    with RunDirectory(tmp_path / "run", small_config()) as directory:
        directory.begin({})
        for step in (0, 10, 20):
            directory.record({"step": step})
        with (directory.path / "metrics.jsonl").open("a") as file:
            file.write('{"step": 3')
        assert directory.rewind(10) == [{"step": 0}, {"step": 10}]
        directory.record({"step": 20})
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [0, 10, 20]


def test_nothing_is_left_behind_unless_the_run_begins(tmp_path: Path, small_config):
    with RunDirectory(tmp_path / "a" / "b", small_config()):
        pass
    assert os.listdir(tmp_path) == []
    with (
        pytest.raises(UserError, match="no data"),
        RunDirectory(tmp_path / "a" / "b", small_config()),
    ):
        raise UserError("no data")
    assert os.listdir(tmp_path) == []


def test_a_second_writer_is_refused(tmp_path: Path, small_config):
    with RunDirectory(tmp_path, small_config()) as directory:
        directory.begin({})
        with (
            refused(f"--out = {tmp_path}", "in use"),
            RunDirectory(tmp_path, small_config()),
        ):
            pass
    with RunDirectory(tmp_path, small_config()) as directory:
        assert directory.has_begun


def test_another_config_is_refused_with_the_fields_that_differ(tmp_path: Path, small_config):
    with RunDirectory(tmp_path, small_config()) as directory:
        directory.begin({})
    before = (tmp_path / "config.yaml").read_bytes()
    with (
        pytest.raises(UserError) as caught,
        RunDirectory(tmp_path, small_config("seed=7", "data.p_bursty=0.125")),
    ):
        pass
    assert [line.split(",")[0] for line in caught.value.args] == [
        "seed = 7",
        "data.p_bursty = 0.125",
    ]
    assert (tmp_path / "config.yaml").read_bytes() == before


def test_a_folder_of_something_else_is_refused(tmp_path: Path, small_config):
    (tmp_path / "thesis.tex").write_text("precious")
    with (
        refused(f"--out = {tmp_path}", "thesis.tex", "config.yaml"),
        RunDirectory(tmp_path, small_config()),
    ):
        pass
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_a_path_that_cannot_be_a_folder_is_refused(tmp_path: Path, small_config):
    (tmp_path / "file").write_text("")
    with (
        refused(f"--out = {tmp_path}/file/run", "written"),
        RunDirectory(tmp_path / "file" / "run", small_config()),
    ):
        pass


def test_a_line_torn_by_a_kill_does_not_swallow_the_next(tmp_path: Path, small_config):
    with RunDirectory(tmp_path, small_config()) as directory:
        directory.begin({})
    with (tmp_path / "events.jsonl").open("a") as file:
        file.write('{"event": "comp')
    with RunDirectory(tmp_path, small_config()) as directory:
        directory.begin({})
    last = (tmp_path / "events.jsonl").read_text().splitlines()[-1]
    assert json.loads(last)["event"] == "resume"
