"""The program of a config: its problem, found by name, and the functions made of it."""

from importlib import import_module

from icl.config import AnyConfig
from icl.files import keep_compiled_programs
from icl.problems.base import Program, make_program


def load_program(config: AnyConfig) -> Program:
    """Load what a run's data are made of, put it on the device, and make the functions of a run.

    The module `icl.problems.<config.problem>` has a function `load` from the config to its
    `Problem`. All runs that differ in traced settings alone share the program.

    Raises UserError where data are missing or broken, or the config asks for what they lack.
    """
    keep_compiled_programs()
    return make_program(import_module(f"icl.problems.{config.problem}").load(config))
