"""The table of tasks: a function for each kind makes a task from its config."""

from collections.abc import Callable

from icl.config.parts import find
from icl.config.tasks import OverTime
from icl.data.tasks.decisions import (
    make_context_dependent,
    make_match_to_sample,
    make_two_alternative,
)
from icl.data.tasks.digits import make_digits
from icl.data.tasks.trials import Task

TASKS: dict[str, Callable[..., Task]] = {
    "two_alternative": make_two_alternative,
    "match_to_sample": make_match_to_sample,
    "context_dependent": make_context_dependent,
    "digits": make_digits,
}


def make_task(config: OverTime) -> Task:
    """Make the task of a config. Raises UserError where its images are missing or broken."""
    return find(TASKS, "task", config.kind)(config)
