"""Printing: a process goes on when nobody reads it, and numbers are readable at any width."""

import errno
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.table import Table

from icl.analysis.printing import Printer, print_table, unbroken_streams
from icl.cli.arguments import run_command
from icl.runs.progress import Progress

SUMMARY: dict[str, Any] = {
    "conditions": {
        "fewshot_holdout": {
            "accuracy": {"final": 0.125, "best": 0.25, "best_step": 1200},
            "accuracy_in_context": {"final": 0.5, "best": 0.75, "best_step": 800},
            "loss": {"final": 3.25, "best": 3.0, "best_step": 800},
        },
        "no_support": {
            "accuracy": {"final": 0.0625, "best": 0.0, "best_step": 0},
            "accuracy_in_context": {"final": 0.0, "best": 0.0, "best_step": 0},
            "loss": {"final": 4.5, "best": 4.0, "best_step": 400},
        },
    }
}
NUMBERS = ("0.125", "0.250 @1200", "0.500", "0.750 @800", "3.250", "0.062", "4.500")


def unread_pipe() -> Any:
    """A text stream whose reader has ended."""
    reading, writing = os.pipe()
    os.close(reading)
    return os.fdopen(writing, "w")


@pytest.mark.parametrize("width", [1, 10, 20, 40, 60, 80, 200])
def test_final_numbers_are_readable_at_any_width(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, tmp_path: Path
):
    monkeypatch.setenv("COLUMNS", str(width))
    record = {"step": 0, "conditions": {"fewshot_holdout": {}, "no_support": {}}}
    (tmp_path / "metrics.jsonl").write_text(json.dumps(record) + "\n")
    Progress().finished(SUMMARY, tmp_path)
    out = capsys.readouterr().out
    assert "…" not in out
    words = " ".join(out.split())
    for text in ("fewshot_holdout", "no_support", "in context", *NUMBERS):
        assert text in words, text


def test_a_table_that_fits_is_a_table_and_else_lines():
    table = Table("cells", "", "status", title="All [b]cells[/b]", caption="of a grid")
    table.add_row("12", "a\\[b]", "finished")
    wide, narrow = io.StringIO(), io.StringIO()
    print_table(Printer(file=wide, width=60), table)
    assert "finished" in wide.getvalue()
    assert "┃" in wide.getvalue()
    print_table(Printer(file=narrow, width=8), table)
    lines = narrow.getvalue().splitlines()
    assert lines == ["All cells", "cells 12", "  a[b]", "  status finished", "of a grid", ""]


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_script_that_nobody_reads_goes_on(name: str, monkeypatch: pytest.MonkeyPatch):
    stream, done = unread_pipe(), []
    monkeypatch.setattr(sys, name, stream)

    def command() -> int:
        for _ in range(3):
            print("a line", file=getattr(sys, name), flush=True)
            Printer(stderr=name == "stderr").print("another")
            done.append(name)
        return 0

    with pytest.raises(SystemExit) as end:
        run_command(command)
    assert end.value.code == 0
    assert done == [name] * 3
    assert getattr(sys, name) is stream
    stream.close()  # what it still held is written without an error


def test_a_run_from_python_that_nobody_reads_goes_on(monkeypatch: pytest.MonkeyPatch):
    stream = unread_pipe()
    monkeypatch.setattr(sys, "stderr", stream)
    progress = Progress()
    with progress.training(10):
        progress.compiled(1, 1.0)
        progress.say("going on")
    stream.close()


def test_closed_streams_are_opened_on_the_null_device(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdout", None)
    kept = os.dup(0)
    os.close(0)
    try:
        with unbroken_streams():
            print("to nobody")
            assert os.path.samestat(os.fstat(0), os.stat(os.devnull))
    finally:
        os.dup2(kept, 0)
        os.close(kept)


def test_a_disk_that_is_full_is_an_error(monkeypatch: pytest.MonkeyPatch):
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sys, "stdout", Full())
    with unbroken_streams(), pytest.raises(OSError, match="No space left"):
        print("a line")


def test_a_working_directory_that_was_deleted_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PWD", str(folder))
    folder.rmdir()
    with pytest.raises(SystemExit) as end:
        run_command(lambda: 0)
    assert end.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: working directory = {folder}: was deleted; allowed: ")
