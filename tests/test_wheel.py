"""What the README says, done from a wheel in a directory without the checkout.

The commands and the Python code of the README run in their order, in one directory, with an `icl`
that is installed from a wheel in an environment of its own. Settings make them short; none is left
out, but for those that install `icl`, which this test does in another way.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from icl.config.yaml import parse_override

from .conftest import small

ROOT = Path(__file__).parent.parent
SHORT = small("training.num_steps=20", "evaluation.conditions=[no_support]")
SHORT_TASK = {
    "training.num_steps": 2,
    "training.batch_size": 4,
    "model.width": 8,
    "evaluation.num_sequences": 8,
    "evaluation.num_trials": 8,
    "evaluation.num_kernel_trials": 2,
}

SHORT_GRID = {
    "grid.data.p_bursty": [0.5, 0.9],
    "grid.seed": [0, 1],
    "data.source.kind": "glyphs",
    "training.decay": "none",
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with `icl` from a wheel; other packages are those of this one."""
    folder = tmp_path_factory.mktemp("installed")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "venv", symlinks=True)
    (packages,) = (folder / "venv").glob("lib/python*/site-packages")
    packages.joinpath("others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install = [sys.executable, "-m", "pip", "--python", str(folder / "venv")]
    install += ["install", "-q", "--ignore-installed", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True)
    return folder / "venv" / "bin"


def commands_of(page: str) -> list[list[str]]:
    """The commands in the indented blocks of a page, as words, without the comments beside them."""
    text = (ROOT / page).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = re.findall(r"^    (\S.*)$", text, flags=re.MULTILINE)
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def python_of(page: str) -> list[str]:
    """The Python code of a page, by block."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)


def shortened(words: list[str]) -> list[str]:
    """A command of the README with settings that make it short."""
    command, *given = words[1:]
    if any(word.startswith("[") for word in given):
        return [command, "--help"]  # what can be given, in general
    quick = ["training.num_steps=4", "training.batch_size=8", "evaluation.num_sequences=16"]
    settings = {
        "quickstart": SHORT,
        "reddy2023/base": [*quick, "training.warmup_steps=1"],
        "liu2023/base": [f"{name}={value}" for name, value in SHORT_TASK.items()],
        "liu2023/rank": [
            *(f"{name}={value}" for name, value in SHORT_TASK.items()),
            "grid.task.kind=[two_alternative]",
            "grid.connectivity.recurrent.rank=[1,8]",
            "grid.seed=[0,1]",
        ],
        "chan2022/burstiness": [
            *quick,
            *("model.num_layers=1", "model.width=16", "model.num_heads=2"),
            *("training.warmup_steps=1", "data.source.size=12"),
            *("grid.data.p_bursty=[0.0,1.0]", "grid.seed=[0,1]"),
        ],
    }
    if command not in ("train", "sweep"):
        return [command, *given]
    config = next((word for word in given if "=" not in word), "quickstart")
    set_here = {word.partition("=")[0] for word in given}
    extra = [s for s in settings[config] if s.partition("=")[0] not in set_here]
    if "data.source.kind=omniglot" in given:  # its classes and exemplars are what they are
        extra = [s for s in extra if not s.startswith("data.source.num_")]
    if "model.kind=lstm" in given:
        extra.remove("model.num_heads=2")
    # Settings name the folder, too: give the sweeps that of the command without them.
    out = ["--out", f"runs/{config.replace('/', '-')}"] if command == "sweep" else []
    return [command, *given, *extra, *out]


RUNNER = """
import json, sys
import icl, icl.cli.main

commands, blocks, short, small = json.load(sys.stdin)
for words in commands:
    sys.argv = ["icl", *words]
    try:
        icl.cli.main.main()
    except SystemExit as end:
        print("RAN", end.code, *words, flush=True)

train, sweep = icl.train, icl.sweep
icl.train = lambda config, overrides=None, **rest: train(config, short | (overrides or {}), **rest)
icl.sweep = lambda grid, overrides=None, **rest: sweep(grid, small | (overrides or {}), **rest)
names = {}
for block in blocks:
    exec(block, names)
    print("RAN", 0, repr(block.splitlines()[0]), flush=True)
print("FROM", icl.__file__)
"""


def run(environment: Path, folder: Path, commands: list[list[str]], page: str) -> str:
    """Run commands and the Python code of a page in a folder; returns what is printed."""
    omniglot = os.environ.get("ICL_OMNIGLOT_DIR")
    if not omniglot:
        pytest.skip("ICL_OMNIGLOT_DIR is unset")
    short = dict(map(parse_override, SHORT))
    if not commands:  # the page reads scores of all conditions
        del short["evaluation.conditions"]
    blocks = python_of(page)
    variables = {name: os.environ[name] for name in ("PATH", "XLA_FLAGS") if name in os.environ}
    done = subprocess.run(
        [environment / "python", "-c", RUNNER],
        input=json.dumps([commands, blocks, short, short | SHORT_GRID]),
        cwd=folder,
        env=variables
        | {"ICL_OMNIGLOT_DIR": omniglot, "ICL_CACHE_DIR": os.environ["ICL_CACHE_DIR"]}
        | {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1", "HOME": str(folder)},
        capture_output=True,
        text=True,
    )
    ran = [line for line in done.stdout.splitlines() if line.startswith("RAN ")]
    assert done.returncode == 0, done.stderr[-2000:]
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert [line for line in ran if not line.startswith("RAN 0 ")] == [], errors
    assert len(ran) == len(commands) + len(blocks)
    assert f"FROM {environment.parent}" in done.stdout
    return done.stdout


def test_the_readme_from_top_to_bottom(environment: Path, tmp_path: Path):
    every = commands_of("README.md")
    assert {words[0] for words in every} == {"pip", "icl", "python"}
    commands = [shortened(words) for words in every if words[0] == "icl"]
    run(environment, tmp_path, commands, "README.md")
    assert (tmp_path / "runs" / "chan2022-burstiness" / "report.html").exists()
    assert (tmp_path / "runs" / "liu2023-rank" / "report.html").exists()


@pytest.mark.slow  # tests/interface holds what each of its calls gives
def test_the_page_on_python(environment: Path, tmp_path: Path):
    run(environment, tmp_path, [], "docs/python.md")
    assert (tmp_path / "runs" / "b" / "report.html").exists()


def test_the_program_and_the_module_are_the_same(environment: Path, tmp_path: Path):
    for program in ([environment / "icl"], [environment / "python", "-m", "icl"]):
        done = subprocess.run([*program, "train", "quickstrt"], cwd=tmp_path, capture_output=True)
        assert done.returncode == 2
        assert done.stderr.startswith(b"error: quickstrt: no such file or config; did you mean ")
    assert list(tmp_path.iterdir()) == []
