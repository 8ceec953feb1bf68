"""Networks as pure functions: `init` makes their numbers, `apply` answers.

Files in this room import each other, never this door.
"""

from icl.models.network import Network, make_network
from icl.models.task_networks import TaskNetwork, make_task_network

__all__ = ["Network", "TaskNetwork", "make_network", "make_task_network"]
