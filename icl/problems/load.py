"""The program of any config, with what its data are made of."""

from icl.config import AnyConfig, TaskExperimentConfig
from icl.data.sources.load import load_exemplars
from icl.problems.base import Program
from icl.problems.sequences import make_program
from icl.problems.trials import make_task_program


def load_program(config: AnyConfig) -> Program:
    """Load what its data are made of, put it on the device, build the functions of a run.

    Raises UserError where data are missing or broken, or the config asks for what they lack.
    """
    if isinstance(config, TaskExperimentConfig):
        return make_task_program(config)
    return make_program(config, load_exemplars(config.data.source))
