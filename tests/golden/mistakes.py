"""Mistakes at the command line: exit codes, and which fields the messages name.

How a message is worded is free; which settings it is about is not.
"""

import contextlib
import io
import os
import re
import runpy
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml

from tests.golden.mistaken import GRIDS, REPORTS, ROOT, SEEDS, SETTINGS, SWEEPS

NAMES = [
    *(f"train {name}" for name in SETTINGS),
    *(f"grid {name}" for name in GRIDS),
    *(f"report {name}" for name in REPORTS),
    *(f"sweep {name}" for name in SWEEPS),
    "describe several",
    "describe unwritable",
]


def compute(name: str, folder: Path) -> dict[str, Any]:
    """How a command ends, whether it wrote something, and the fields that it names."""
    command, _, case = name.partition(" ")
    (empty := folder / "work").mkdir()
    script, words = f"{command}.py", ()
    grid: dict[str, Any] = {"base": {}, "grid": SEEDS}
    if command == "train":
        words = SETTINGS[case]
    elif command == "report":
        words = REPORTS[case]
    elif command == "sweep":
        words = SWEEPS[case]
    elif command == "describe":
        several = SETTINGS["several"]
        words = several if case == "several" else ("--out", "/dev/null/x", "--json")
    else:
        script, words, grid = "sweep.py", ("GRID",), {"base": {}} | GRIDS[case]
    (file := folder / "grid.yaml").write_text(yaml.safe_dump(grid))
    places = {"GRID": str(file), "EMPTY": str(empty)}
    code, out, errors = _run(script, [places.get(word, word) for word in words], empty)
    return {
        "exit": code,
        "fields": sorted({_field(line, folder) for line in errors.splitlines() if _is_error(line)}),
        "is_silent": out == "" and os.listdir(empty) == [],
    }


def _run(script: str, words: list[str], folder: Path) -> tuple[Any, str, str]:
    path = str(ROOT / "scripts" / script)
    out, errors = io.StringIO(), io.StringIO()
    code: Any = None
    with (
        contextlib.chdir(folder),
        patch.object(sys, "argv", [path, *words]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
    ):
        try:
            runpy.run_path(path, run_name="__main__")
        except SystemExit as end:
            code = end.code
    return code, out.getvalue(), errors.getvalue()


def _is_error(line: str) -> bool:
    return "error: " in line


def _field(line: str, folder: Path) -> str:
    """What is before the value of a message, or the start of one without."""
    text = line.partition("error: ")[2].replace(str(folder), "FOLDER").replace(str(ROOT), "ROOT")
    return re.split(r" = |: |; | is ", text)[0]
