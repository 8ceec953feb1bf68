"""Small networks for tasks of every kind, with inputs for them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from pydantic import TypeAdapter

from icl.config.task_networks import TaskNetworkConfig
from icl.models.task_networks import CELLS, TaskNetwork, make_task_network

TASK_NETWORKS = (*CELLS, "feed_forward")
TRIALS, STEPS, CHANNELS, UNITS = 4, 5, 3, 6


def make_task_case(kind: str) -> tuple[TaskNetwork, Any, jax.Array]:
    config = TypeAdapter(TaskNetworkConfig).validate_python({"kind": kind, "width": UNITS})
    network = make_task_network(config, STEPS, CHANNELS, 2)
    inputs = np.random.default_rng(0).standard_normal((TRIALS, STEPS, CHANNELS), np.float32)
    return network, network.init(jax.random.key(0)), jnp.asarray(inputs)
