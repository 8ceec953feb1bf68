"""The program of a config: the problem of that name, and the functions made from it."""

from importlib import import_module

from icl.config import AnyConfig
from icl.files import keep_compiled_programs
from icl.problems.base import Program, make_program
from icl.problems.own_settings import own_settings


@own_settings()
def load_program(config: AnyConfig) -> Program:
    """Load a run's data, put them on the device, and make the functions of the run.

    The module `icl.problems.<config.problem>` has a function `load`: config -> `Problem`. All runs
    that differ only in traced settings share the program.

    Raises UserError if data are missing or broken, or lack what the config asks for.
    """
    keep_compiled_programs()
    return make_program(import_module(f"icl.problems.{config.problem}").load(config))
