"""`import icl`: light, typed, complete."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import icl

HEAVY = ("jax", "flax", "numpy", "pydantic", "xarray", "matplotlib", "orbax")


def modules_after(code: str) -> set[str]:
    """Which of the heavy packages are loaded after some code."""
    code = f"import sys\n{code}\nprint(*[m for m in {HEAVY} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(out.stdout.split())


def test_importing_loads_nothing_heavy():
    assert modules_after("import icl") == set()


def test_jax_is_loaded_only_once_it_is_needed():
    """Mistakes are reported before; functions are found, and docs read, without it."""
    code = "import icl\ntry: icl.train('no such config')\nexcept icl.UserError: pass\nicl.load"
    assert not modules_after(code) & {"jax", "flax", "matplotlib", "orbax"}


@pytest.mark.parametrize("name", icl.__all__)
def test_every_public_name_is_there_and_documented(name: str):
    assert getattr(icl, name).__doc__
    assert name in dir(icl)


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="module 'icl' has no attribute 'trian'"):
        icl.trian  # noqa: B018


def test_type_checkers_see_what_python_sees():
    """The names for type checkers are the names that are loaded."""
    source = Path(icl.__file__).read_text(encoding="utf-8")
    assert (Path(icl.__file__).parent / "py.typed").exists()
    for name in icl.__all__:
        module = icl._MODULES[name]
        assert importlib.util.find_spec(module)
        lines = [line for line in source.splitlines() if line.startswith(f"    from {module} ")]
        assert any(name in line.split("import ")[1].split(", ") for line in lines), name
