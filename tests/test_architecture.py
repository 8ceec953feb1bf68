"""Dependencies point one way, files stay small, and importing the config stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "icl").rglob("*.py"))

# Layers from the bottom: a module may import its own layer and those before.
LAYERS = [
    {"errors", "types", "config", ""},
    {"data", "models", "environment"}
    | {f"records.{name}" for name in ("config_file", "config_mistakes", "sweep_file")},
    {"training"},
    {"evaluation", "probes", "theory"},
    {"program"},
    {"experiment"},
    {"task_experiment"},
    {"loading"},
    {"summary", "packs", "records"},
    {"analysis", "progress", "loggers"},
    {"loop", "description", "sweep_progress"},
    {"single", "worker", "watch"},
    {"cluster"},
    {"run", "sweep"},
    {"distributed", "dry_run"},
    {"command_line"},
]


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT / "icl").with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def layer_of(module: str) -> int:
    for name in (module, module.partition(".")[0]):
        for level, layer in enumerate(LAYERS):
            if name in layer:
                return level
    raise AssertionError(f"icl.{module} is in no layer: add it")


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_dependencies_point_one_way(path: Path):
    own = name_of(path)
    for module in imports_of(path):
        if module == "icl" or module.startswith("icl."):
            other = module.removeprefix("icl").removeprefix(".")
            assert layer_of(other) <= layer_of(own), f"{own} imports {module}"
            assert {own.partition(".")[0], other.partition(".")[0]} != {"data", "models"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_analysis_draws_and_nothing_pickles(path: Path):
    imported = {module.partition(".")[0] for module in imports_of(path)}
    assert not imported & {"matplotlib", "plotly"} or name_of(path).startswith("analysis")
    assert not imported & {"pickle", "cloudpickle", "dill", "joblib", "shelve"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_files_are_short(path: Path):
    assert path.read_text().count("\n") <= 350


@pytest.mark.parametrize("path", sorted((ROOT / "scripts").glob("*.py")), ids=lambda p: p.stem)
def test_scripts_only_parse_call_and_print(path: Path):
    assert path.read_text().count("\n") <= 50


def test_mistakes_in_a_config_are_found_without_loading_jax():
    code = (
        "import sys; import icl.command_line, icl.records.config_file, icl.records.sweep_file; "
        "print([m for m in ('jax', 'orbax', 'matplotlib', 'xarray') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
