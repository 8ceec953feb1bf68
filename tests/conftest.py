"""Fixtures of all tests: a small experiment, and no file outside of pytest's own folders."""

import gc
import os
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import pytest

from icl.config import ExperimentConfig
from icl.config.parts import PARTS
from icl.config.yaml import load_config, read_settings
from icl.register import forget

from .costs import Costs
from .programs import PROGRAMS, XLA_FLAGS, kept_program

os.environ.setdefault("XLA_FLAGS", XLA_FLAGS)

QUICKSTART = Path(__file__).parent.parent / "configs" / "quickstart.yaml"

ALL_CONFIGS = sorted(QUICKSTART.parent.rglob("*.yaml"))

# Small enough for seconds, with every part in place.
SMALL = (
    "data.source.size=12",
    "data.source.num_classes=40",
    "data.source.num_exemplars=6",
    "data.num_classes=30",
    "data.num_holdout_classes=6",
    "data.num_exemplars=6",
    "model.num_layers=1",
    "model.width=16",
    "model.num_heads=2",
    "model.embedder.hidden_dim=8",
    "training.num_steps=40",
    "training.batch_size=8",
    "training.warmup_steps=10",
    "evaluation.every=10",
    "evaluation.num_sequences=32",
    "checkpoints.every=10",
)


def small(*overrides: str) -> list[str]:
    """The settings of the small experiment, with these in place of its own."""
    keys = {word.partition("=")[0] for word in overrides}
    return [word for word in SMALL if word.partition("=")[0] not in keys] + list(overrides)


def is_grid(path: Path) -> bool:
    """Whether a file of settings stands for many runs."""
    return "grid" in read_settings(path)


# Rooms and files of tests that compile little or nothing: `pytest -m quick`.
QUICK = (
    "analysis",
    "benchmarks/test_compare.py",
    "benchmarks/test_growth.py",
    "benchmarks/test_reporting.py",
    "benchmarks/test_table.py",
    "config",
    "data/sources/test_cache.py",
    "data/sources/test_features.py",
    "data/tasks/test_task_config.py",
    "records",
    "runs/test_progress.py",
    "runs/test_signals.py",
    "sweeps/test_connection.py",
    "test_architecture.py",
    "test_errors.py",
    "test_files.py",
    "test_register.py",
)
NOT_QUICK = ("analysis/figures/test_spectra.py", "analysis/report", "config/test_mistakes.py")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Costs(), "costs")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not import other tests for `pytest -m quick`: that takes longer than the quick ones."""
    if config.option.markexpr != "quick" or not collection_path.name.startswith("test_"):
        return None
    return None if is_quick(collection_path) or has_quick_items(collection_path) else True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # The longest test first: at the end, one process would wait for it alone.
    items.sort(key=lambda item: item.path.name != "test_wheel.py")
    for item in items:
        if is_quick(item.path):
            item.add_marker(pytest.mark.quick)


def is_quick(path: Path) -> bool:
    def is_in(places: tuple[str, ...]) -> bool:
        return any(path.is_relative_to(Path(__file__).parent / place) for place in places)

    return is_in(QUICK) and not is_in(NOT_QUICK)


def has_quick_items(path: Path) -> bool:
    """Whether a module marks some of its tests as quick."""
    return "mark.quick" in path.read_text()


def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of this test run, shared by all of its processes."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICL_CACHE_DIR", str(shared_folder(tmp_path_factory) / "cache"))


@pytest.fixture(autouse=True, scope="session")
def _compilation_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tests compile the same small programs again and again: once is enough."""
    folder = shared_folder(tmp_path_factory) / "xla"
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    jax.config.update("jax_disable_most_optimizations", True)  # compiling is most of the time


@pytest.fixture(scope="module")
def optimized() -> Iterator[None]:
    """Compile with all optimisations, for tests that compute for longer than they compile."""
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture
def programs_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Share programs, and what is compiled of them, among the runs of all tests of a process.

    Not for tests that change what a program computes.
    """
    monkeypatch.setattr("icl.problems.load.make_program", kept_program)


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment of child processes, which compile the same programs again and again."""
    return {
        "JAX_COMPILATION_CACHE_DIR": str(shared_folder(tmp_path_factory) / "xla"),
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }


@pytest.fixture
def script(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """(name, word, ..., cwd=folder) -> how a script ends and what it prints.

    In this process: a new one spends seconds on importing before it sees a mistake.
    """

    def call(name: str, *words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
        command = [str(QUICKSTART.parent.parent / "scripts" / name), *map(str, words)]
        monkeypatch.chdir(cwd)
        monkeypatch.setattr(sys, "argv", command)
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            runpy.run_path(command[0], run_name="__main__")
        return subprocess.CompletedProcess(command, end.value.code, *capsys.readouterr())

    return call


@pytest.fixture
def small_config() -> Callable[..., ExperimentConfig]:
    """(override, ...) -> the small experiment with these settings."""

    def make(*overrides: str) -> ExperimentConfig:
        return load_config(QUICKSTART, small(*overrides))

    return make


@pytest.fixture
def registry() -> Iterator[None]:
    """Forget the parts that a test registers after it."""
    before = {sort: set(parts) for sort, parts in PARTS.items()}
    yield
    for sort, parts in PARTS.items():
        for name in set(parts) - before[sort]:
            forget(sort, name)


@pytest.fixture(autouse=True, scope="module")
def few_compiled_programs() -> Iterator[None]:
    """Forget compiled programs before they are too many for one process.

    Each maps pieces of memory, of which Linux allows a process 65,530; beyond, XLA crashes.
    """
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > 20_000:
        PROGRAMS.clear()
        jax.clear_caches()
        gc.collect()
