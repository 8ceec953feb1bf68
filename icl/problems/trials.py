"""The problem of tasks over time, whose trials do not contrast context and weights."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key, PyTree

from icl.config import TaskExperimentConfig
from icl.data.tasks import Task, make_task, make_task_knobs
from icl.evaluation.scores import score_trials
from icl.models.matrices import Fused
from icl.models.task_networks import TaskNetwork, make_task_network
from icl.probes.find import measure
from icl.probes.trial_view import trial_view
from icl.problems.base import Cost, Inputs, Program, make_inputs
from icl.problems.given import trials_given
from icl.problems.streams import fresh_trials_key, probed_trials_keys, shown_trials_key
from icl.training.losses import Loss, task_loss
from icl.training.optimizer import Rates
from icl.training.step import TrainState
from icl.types import Aux, Masked, Shown, ShownTrials, Trials, Variables

NUM_SHOWN = 6


@dataclass(frozen=True, eq=False)
class TrialProblem:
    """A `Problem` whose batches are trials of a task."""

    config: TaskExperimentConfig
    task: Task
    network: TaskNetwork

    @property
    def arrays(self) -> PyTree:
        return self.task.arrays

    @property
    def fused(self) -> Fused:
        return self.network.fused

    def inputs(self, config: TaskExperimentConfig) -> Inputs:
        return make_inputs(config, make_task_knobs(config.task))

    def draw_network(self, key: Key[Array, ""]) -> Variables:
        return Variables(self.network.init(key), {})

    def draw_batch(
        self, key: Key[Array, ""], step: Int[Array, ""], inputs: Inputs, arrays: PyTree
    ) -> Trials:
        return self.task.draw(key, self.config.training.batch_size, inputs.knobs, arrays)

    def make_loss(self, rates: Rates) -> Loss:
        def loss_of(variables: Variables, trials: Trials) -> tuple[Array, PyTree]:
            logits, _ = self.network.apply(variables.params, trials.inputs)
            return task_loss(logits, trials).mean(), {}

        return loss_of

    def evaluate(
        self,
        state: TrainState,
        initial: Callable[[], Variables],
        inputs: Inputs,
        arrays: PyTree,
    ) -> dict[str, dict[str, Array | Masked]]:
        evaluation, params = self.config.evaluation, state.variables.params
        many_key, few_key = probed_trials_keys(inputs.eval_key)
        fresh, many, few = (
            self.task.draw_test(key, count, inputs.knobs, arrays)
            for key, count in (
                (fresh_trials_key(inputs.eval_key, state.step), evaluation.num_sequences),
                (many_key, evaluation.num_trials),
                (few_key, evaluation.num_kernel_trials),
            )
        )
        logits, _ = self.network.apply(params, fresh.inputs)
        scores: dict[str, Array | Masked] = {
            **score_trials(logits, fresh, self.config.task.num_choices)
        }
        if evaluation.probes:
            last_only = self.config.task.last_only
            view = trial_view(self.network, params, initial().params, (many, few), last_only)
            scores |= measure(view, evaluation.probes)
        return {"task": scores}

    def tested_as(self, config: TaskExperimentConfig) -> "TrialProblem":
        return replace(self, config=config)

    def draw_condition(
        self, name: str, key: Key[Array, ""], count: int, inputs: Inputs, step: Int[Array, ""]
    ) -> Trials:
        draw = self.task.draw if name == "train" else self.task.draw_test
        return draw(key, count, inputs.knobs, self.arrays)

    def as_inputs(self, given: Any) -> Trials:
        return trials_given(given, self.config.task.num_steps, self.config.task.num_inputs)

    def apply(
        self, variables: Variables, given: Trials, query_only: bool = True
    ) -> tuple[Array, Aux]:
        logits, aux = self.network.apply(variables.params, given.inputs)
        return (logits[:, -1] if query_only else logits), aux

    def shown(self, config: TaskExperimentConfig, inputs: Inputs) -> Shown:
        """A few trials."""
        key = shown_trials_key(config.seed)
        trials = self.task.draw(key, NUM_SHOWN, inputs.knobs, self.arrays)
        kinds = self.config.task.input_channels, self.config.task.output_channels
        channels, outputs = (tuple(of.items()) for of in kinds)
        drawn = np.asarray(trials.inputs), np.asarray(trials.targets)
        return Shown("trials", ShownTrials(*drawn, channels, outputs))

    def cost(self, program: Program) -> Cost:
        arguments = program.shapes, jnp.int32(1), program.inputs(self.config), self.arrays
        compiled = program.train.lower(*arguments).compile()  # type: ignore[attr-defined]
        # In each step of a trial, each parameter multiplies once forward and twice backward.
        num_trial_steps = self.config.training.batch_size * self.task.num_steps
        return Cost(
            float(6 * program.num_parameters * num_trial_steps),
            float(compiled.memory_analysis().temp_size_in_bytes),
        )


def load(config: TaskExperimentConfig) -> TrialProblem:
    """Make the problem of a config and put the data of its trials on the device.

    Raises UserError if the images of a task are missing or broken.
    """
    task = make_task(config.task)
    network = make_task_network(config.model, task.num_steps, task.num_inputs, task.num_outputs)
    return TrialProblem(config, task, network)
