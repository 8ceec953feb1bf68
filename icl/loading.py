"""The program of any config, with what its data are made of."""

from icl.config import AnyConfig, TaskExperimentConfig
from icl.data.exemplars import load_exemplars
from icl.experiment import make_program
from icl.program import Program
from icl.task_experiment import make_task_program


def load_program(config: AnyConfig) -> Program:
    """Load what its data are made of, put it on the device, build the functions of a run.

    Raises UserError where data are missing or broken, or the config asks for what they lack.
    """
    if isinstance(config, TaskExperimentConfig):
        return make_task_program(config)
    return make_program(config, load_exemplars(config.data.source))
