"""The program `icl`: it finds the command and runs it."""

import sys
import textwrap
from importlib import import_module
from pathlib import Path

import icl
from icl.cli.arguments import run_command
from icl.config.find import config_names
from icl.errors import UserError, allowed

# By name of the module, which the command line writes with hyphens.
COMMANDS = {
    "train": "train one network",
    "sweep": "train a grid of networks",
    "report": "write the page of a run or a sweep, and judge its claims",
    "describe": "see data and network before training",
    "match": "find the width at which a network has the cost of another",
    "export_matrix": "save a weight matrix of a run",
    "theory": "compare two-layer linear networks with their formulas",
}


def main() -> None:
    """Run the command that `sys.argv` names, and exit."""
    run_command(_dispatch)


def _dispatch() -> int:
    program, *words = sys.argv
    if Path(program).name == "__main__.py":
        program = "python -m icl"
    if not words or words[0] in ("-h", "--help"):
        print(_usage(), end="")
        return 0
    if words[0] == "--version":
        print(icl.__version__)
        return 0
    name = words[0].replace("-", "_")
    if name not in COMMANDS:
        raise UserError(f"{words[0]}: unknown command; {allowed(words[0], _names())}")
    sys.argv = [f"{program} {_shown(name)}", *words[1:]]
    return import_module(f"icl.cli.{name}").main()


def _usage() -> str:
    width = max(map(len, _names()))
    lines = [f"  {_shown(name):{width}}  {text}" for name, text in COMMANDS.items()]
    head = "usage: icl COMMAND [...]\n\ncommands (icl COMMAND --help has the options):\n"
    names = textwrap.fill(
        ", ".join(config_names()), 78, initial_indent="  ", subsequent_indent="  "
    )
    return head + "\n".join(lines) + f"\n\nconfigs:\n{names}\n"


def _names() -> list[str]:
    return [_shown(name) for name in COMMANDS]


def _shown(name: str) -> str:
    return name.replace("_", "-")
