"""Parts from outside, for tests: the examples of the docs, and packages that are installed."""

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parent.parent / "docs"


def code_of(page: str, after: str) -> str:
    """The first piece of Python of a page of the docs that comes after a text."""
    text = (DOCS / page).read_text()
    assert text.count(after) == 1, after
    found = re.search(r"```python\n(.*?)```", text.partition(after)[2], re.DOTALL)
    assert found
    return found[1]


def imported(name: str, code: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module of a user's own file with this code."""
    file = folder / f"{name}.py"
    file.write_text(code)
    module = ModuleType(name)
    module.__file__ = str(file)
    monkeypatch.setitem(sys.modules, name, module)
    exec(compile(code, str(file), "exec"), module.__dict__)
    return module


def install(folder: Path, package: str, modules: dict[str, str], version: str = "0.3") -> None:
    """Make a folder of Python's path hold a package with an entry point of the group `icl.parts`.

    modules: their code, by name; `parts` is the one that the entry point names.
    """
    (folder / package).mkdir(parents=True)
    (folder / package / "__init__.py").touch()
    for name, code in modules.items():
        (folder / package / f"{name}.py").write_text(code)
    info = folder / f"{package}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[icl.parts]\n{package} = {package}.parts\n")
