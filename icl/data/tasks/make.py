"""Tasks over time: one function for each kind, from its config to a task for the device."""

from collections.abc import Callable

from icl.config.tasks import TaskConfig
from icl.data.tasks.decisions import (
    make_context_dependent,
    make_match_to_sample,
    make_two_alternative,
)
from icl.data.tasks.digits import make_digits
from icl.data.tasks.trials import Task, make_task_knobs

TASKS: dict[str, Callable[..., Task]] = {
    "two_alternative": make_two_alternative,
    "match_to_sample": make_match_to_sample,
    "context_dependent": make_context_dependent,
    "digits": make_digits,
}


def make_task(config: TaskConfig) -> Task:
    """The task of a config. Raises UserError where its images are missing or broken."""
    return TASKS[config.kind](config)


__all__ = ["TASKS", "Task", "make_task", "make_task_knobs"]
