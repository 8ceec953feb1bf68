"""Tasks over time: each draws trials on the device, batch by batch."""

from icl.data.tasks.make import make_task
from icl.data.tasks.trials import Task, make_task_knobs

__all__ = ["Task", "make_task", "make_task_knobs"]
