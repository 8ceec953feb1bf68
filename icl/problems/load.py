"""The problem of a config, found by its name, and its program."""

from importlib import import_module
from typing import Any

from icl.config import AnyConfig
from icl.files import keep_compiled_programs
from icl.problems.base import Program, make_program


def load_problem(config: AnyConfig) -> Any:
    """The `Problem` of a run: load what its data are made of and put it on the device.

    `config.problem` names the module of this room whose `load` does it.

    Raises UserError where data are missing or broken, or the config asks for what they lack.
    """
    return import_module(f"icl.problems.{config.problem}").load(config)


def load_program(config: AnyConfig) -> Program:
    """The functions of a run and of all that share its compiled program.

    Raises UserError as `load_problem`.
    """
    keep_compiled_programs()
    return make_program(load_problem(config))
