"""A task and its network before training: periods of a trial, costs, and initial weights."""

from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp
from jaxtyping import Array

from icl.analysis.figures.shown import draw_shown
from icl.analysis.figures.spectra import draw_spectra
from icl.config import TaskExperimentConfig
from icl.description.any_problem import describe_weights, initial_matrices
from icl.problems.base import Program
from icl.problems.cost import count_flops, count_parameters
from icl.problems.load import load_program
from icl.problems.trials import TrialProblem
from icl.training.losses import task_loss
from icl.types import Trials


def describe_trials(config: TaskExperimentConfig) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Numbers by name, as JSON has them, and pictures by name of file.

    Raises UserError where images of the task are not available, or connectivity is impossible.
    """
    program = load_program(config)
    matrices = initial_matrices(program, config)
    report = {
        "config": config.model_dump(mode="json"),
        "task": {
            "kind": config.task.kind,
            "num_steps": config.task.num_steps,
            "periods": config.task.period_steps,
            "inputs": config.task.input_channels,
            "outputs": config.task.output_channels,
            "chance": 1 / config.task.num_choices,
        },
        **costs(program),
        **describe_weights(config, matrices),
    }
    recurrent = {n: m for n, m in matrices.items() if n.partition("/")[0] == "recurrent"}
    pictures = {
        "trials.png": draw_shown(program.problem.shown(config, program.inputs(config))),
        "spectrum.png": draw_spectra(recurrent),
    }
    return report, pictures


def costs(program: Program) -> dict[str, Any]:
    """Numbers of parameters, and operations of matrix products, by tracing alone.

    A step is one of the network: a feed-forward network takes a whole trial in one.
    """
    problem = cast(TrialProblem, program.problem)
    network, params = problem.network, program.shapes.variables.params
    task, knobs = problem.task, program.inputs(program.config).knobs
    trial = jax.eval_shape(lambda: task.draw(jax.random.key(0), 1, knobs, program.arrays))
    steps = jax.eval_shape(network.as_steps, trial.inputs)

    def step(params: Any, steps: Array) -> Array:
        state, _ = network.step(params, network.state, steps[0, 0], jnp.zeros(()))
        return state[0] @ params["readout"]["kernel"]

    def loss(params: Any, trial: Trials) -> Array:
        return task_loss(network.apply(params, trial.inputs)[0], trial).mean()

    counts = count_parameters(params)
    return {
        "num_parameters": {"total": sum(counts.values()), **counts},
        "num_network_steps": steps.shape[1],
        "flops_per_step": _flops(step, params, steps),
        "flops_per_trial": _flops(network.apply, params, trial.inputs),
        "training_flops_per_trial": _flops(jax.grad(loss), params, trial),
    }


def _flops(function: Callable[..., Any], *arguments: Any) -> int:
    return count_flops(jax.make_jaxpr(function)(*arguments).jaxpr)
