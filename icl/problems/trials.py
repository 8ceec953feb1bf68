"""From the config of a task to the functions of a run."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
from jaxtyping import Array, PyTree

from icl.config import TaskExperimentConfig
from icl.data.tasks import Task, make_task, make_task_knobs
from icl.evaluation.scores import score_trials
from icl.files import keep_compiled_programs
from icl.models.matrices import matrices
from icl.models.task_networks import TaskNetwork, make_task_network
from icl.probes.task_measures import measure_task
from icl.problems.base import (
    Inputs,
    Program,
    checked,
    compile_quickly,
    inputs_with,
    make_init,
    make_train,
)
from icl.training.losses import task_loss
from icl.training.step import TrainState
from icl.types import Trials, Variables

# Folded into the evaluation's key: the trials that measures are taken on, the same at all steps,
# and those of a step's own, from FRESH on.
MANY, FEW, FRESH = range(3)


@dataclass(frozen=True, eq=False, kw_only=True)
class TaskProgram(Program):
    """A program of runs on a task."""

    config: TaskExperimentConfig
    task: Task
    network: TaskNetwork


def make_task_program(config: TaskExperimentConfig) -> TaskProgram:
    """Put what trials are made of on the device and build the functions of a run.

    Raises UserError where the images of a task are missing or broken.
    """
    keep_compiled_programs()
    task = make_task(config.task)
    network = make_task_network(config.model, task.num_steps, task.num_inputs, task.num_outputs)

    def draw_network(key: Array) -> Variables:
        return Variables(network.init(key), {})

    def batch(key: Array, step: Array, inputs: Inputs, arrays: PyTree) -> Trials:
        return task.draw(key, config.training.batch_size, inputs.knobs, arrays)

    def loss_of(variables: Variables, trials: Trials) -> tuple[Array, PyTree]:
        logits, _ = network.apply(variables.params, trials.inputs)
        return task_loss(logits, trials).mean(), {}

    init = make_init(draw_network, network.fused, config.connectivity)
    shapes = jax.eval_shape(init, make_task_inputs(config))
    return TaskProgram(
        config=config,
        arrays=task.arrays,
        shapes=shapes,
        init=compile_quickly(init),
        train=make_train(batch, lambda rates: loss_of, network.fused, config.connectivity),
        evaluate=_make_evaluation(config, task, network, init),
        inputs=checked(make_task_inputs, shapes, network.fused),
        matrices=lambda state: matrices(state.variables.params, network.fused),
        task=task,
        network=network,
    )


def _make_evaluation(
    config: TaskExperimentConfig,
    task: Task,
    network: TaskNetwork,
    init: Callable[[Inputs], TrainState],
) -> Callable[..., dict[str, Any]]:
    """The evaluation of a program, jitted: scores and measures."""
    evaluation, last_only = config.evaluation, config.task.last_only

    def evaluate(state: TrainState, inputs: Inputs, arrays: PyTree) -> dict[str, Any]:
        params = state.variables.params
        fresh, many, few = (
            task.draw_test(jax.random.fold_in(inputs.eval_key, number), count, inputs.knobs, arrays)
            for number, count in (
                (FRESH + state.step, evaluation.num_sequences),
                (MANY, evaluation.num_trials),
                (FEW, evaluation.num_kernel_trials),
            )
        )
        logits, _ = network.apply(params, fresh.inputs)
        initial = init(inputs).variables.params
        measures = measure_task(
            network, params, initial, many.inputs, few.inputs, few.targets, last_only
        )
        return {"task": score_trials(logits, fresh, config.task.num_choices) | measures}

    return jax.jit(evaluate)


def make_task_inputs(config: TaskExperimentConfig) -> Inputs:
    """The traced part of a run."""
    return inputs_with(config, make_task_knobs(config.task))
