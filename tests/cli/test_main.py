"""The program `icl`: its commands, and where runs go."""

import sys
from pathlib import Path

import pytest

from icl.cli.arguments import command_again
from icl.cli.main import COMMANDS, main
from icl.config.find import CONFIGS, config_names, find_config, run_name
from icl.errors import UserError

from ..conftest import ALL_CONFIGS


def call(monkeypatch: pytest.MonkeyPatch, *words: str) -> object:
    """The exit code of `icl` with these words."""
    monkeypatch.setattr(sys, "argv", ["/usr/bin/icl", *words])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_of_its_own(name: str, monkeypatch, capsys):
    assert call(monkeypatch, name.replace("_", "-"), "--help") == 0
    assert capsys.readouterr().out.startswith(f"usage: icl {name.replace('_', '-')} ")
    assert (Path(__file__).parent.parent.parent / "scripts" / f"{name}.py").exists()


def test_help_lists_all_commands(monkeypatch, capsys):
    assert call(monkeypatch) == 0
    shown = capsys.readouterr().out
    assert all(f"  {name.replace('_', '-')} " in shown for name in COMMANDS)


def test_an_unknown_command(monkeypatch, capsys):
    assert call(monkeypatch, "trian") == 2
    assert capsys.readouterr().err == (
        "error: trian: unknown command; did you mean train? allowed: train, sweep, report, "
        "describe, match, export-matrix, theory\n"
    )


@pytest.mark.parametrize(
    ("argv", "again"),
    [
        (["/usr/bin/icl train", "seed=1"], "icl train seed=1"),
        (["python -m icl sweep", "a b"], "python -m icl sweep 'a b'"),
        (
            ["scripts/train.py", "x=[1, 2]"],
            f"{Path(sys.executable).name} scripts/train.py 'x=[1, 2]'",
        ),
    ],
)
def test_the_command_to_run_again(argv: list[str], again: str, monkeypatch):
    monkeypatch.setattr(sys, "argv", argv)
    assert command_again() == again


def test_configs_have_names_in_every_directory(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert [find_config(name) for name in config_names()] == ALL_CONFIGS
    assert find_config("chan2022") == CONFIGS / "chan2022"
    (tmp_path / "quickstart").mkdir()  # a folder that happens to have the name of a config
    assert find_config("quickstart") == CONFIGS / "quickstart.yaml"
    (tmp_path / "mine.yaml").write_text("seed: 1")
    assert find_config("mine.yaml") == Path("mine.yaml")


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("quickstrt", "did you mean quickstart?"),
        ("burstiness", "did you mean chan2022/burstiness?"),
    ],
)
def test_a_config_that_is_not_there(word: str, hint: str):
    with pytest.raises(UserError, match="no such file or config") as error:
        find_config(word)
    assert hint in str(error.value)


def test_folders_of_different_commands_differ(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = [run_name(path, []) for path in ALL_CONFIGS]
    names += [run_name("a/base.yaml", []), run_name("b/base.yaml", []), run_name("base.yaml", [])]
    names += [run_name(tmp_path.parent / "elsewhere" / "base.yaml", [])]
    long = [f"data.families.deep{i}.kind=bursty" for i in range(9)]
    names += [run_name("base.yaml", [*long, f"seed={seed}"]) for seed in range(3)]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) <= 150
    assert run_name(CONFIGS / "reddy2023" / "base.yaml", ["seed=1"]) == "reddy2023-base,seed=1"
    assert run_name(CONFIGS / "chan2022", []) == "chan2022"
    assert run_name("base.yaml", ["a=1", "b=2"]) == run_name("base.yaml", ["b=2", "a=1"])
