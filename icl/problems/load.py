"""Loading of the problem of a config by its name, and of its program."""

from importlib import import_module
from typing import Any

from icl.config import AnyConfig
from icl.files import keep_compiled_programs
from icl.problems.base import Program, make_program


def load_problem(config: AnyConfig) -> Any:
    """Load the `Problem` of a run and put its data on the device.

    `config.problem` names the module of `icl.problems` whose `load` is called.

    Raises UserError if data are missing or broken, or lack what the config asks for.
    """
    return import_module(f"icl.problems.{config.problem}").load(config)


def load_program(config: AnyConfig) -> Program:
    """Load the functions of a run and of all runs that share its compiled program.

    Raises UserError as `load_problem`.
    """
    keep_compiled_programs()
    return make_program(load_problem(config))
