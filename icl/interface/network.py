"""The network of a run at a step, with its data: draw, apply, evaluate."""

from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import xarray

from icl.config import AnyConfig
from icl.config.yaml import parse_config
from icl.errors import UserError
from icl.problems.base import Inputs, Program, make_program
from icl.problems.load import load_program
from icl.problems.own_settings import own_settings
from icl.problems.streams import drawn_key
from icl.records.dataset import dataset_of
from icl.runs.restore import state_at
from icl.runs.summary import make_record
from icl.training.step import TrainState
from icl.types import Shown


class TrainedNetwork:
    """A program, and the state of a run at a step.

    forward: jitted: (variables, inputs, query_only, return_aux) to logits, with `aux` if asked for.
    program: compiled for the run; None: it is made, without the initial connectivity, whose file
        may be gone.
    """

    def __init__(
        self, path: Path, config: AnyConfig, step: int | None, program: Program | None = None
    ):
        self._path, self._config, self._step = path, config, step
        self._program = program or load_program(_unconnected(config))
        self._evaluations: dict[str, Program] = {}
        self.forward = _forward(self._program)

    def at(self, step: int) -> "TrainedNetwork":
        """The same network at another step, which shares all that is compiled."""
        other = TrainedNetwork(self._path, self._config, step, self._program)
        other._evaluations, other.forward = self._evaluations, self.forward
        return other

    @cached_property
    @own_settings()
    def state(self) -> TrainState:
        """The state of the run at the step."""
        if self._step == 0:
            program = load_program(self._config)
            return program.init(program.inputs(self._config))
        return state_at(self._path, self._config, self._program.shapes, self._step)[1]

    @cached_property
    @own_settings()
    def _inputs(self) -> Inputs:
        return self._program.inputs(self._program.config)

    @own_settings()
    def shown(self) -> Shown:
        """Examples of the training data."""
        return self._program.problem.shown(self._config, self._inputs)

    @own_settings()
    def draw(self, condition: str, count: int, seed: int) -> Any:
        """See `Run.draw`."""
        if condition not in ("train", *self._config.evaluation.conditions):
            with_evaluation(self._config, [condition], None)  # raises an error for an unknown name
        if not isinstance(count, int) or count < 1:
            raise UserError(f"count = {count}; allowed: a whole number of at least 1")
        inputs = self._inputs
        key = drawn_key(inputs.eval_key, condition, seed)
        return self._program.problem.draw_condition(condition, key, count, inputs, self.state.step)

    @own_settings()
    def apply(self, batch: Any, return_aux: bool, query_only: bool) -> Any:
        """See `Run.apply`."""
        given = self.inputs(batch)
        return self.forward(self.state.variables, given, query_only, return_aux)

    def inputs(self, batch: Any) -> Any:
        """A user's inputs as `forward` takes them. Raises UserError where they do not fit."""
        return self._program.problem.as_inputs(batch)

    @own_settings()
    def evaluate(
        self, conditions: Iterable[str] | None, num_sequences: int | None
    ) -> xarray.Dataset:
        """See `Run.evaluate`."""
        config = with_evaluation(self._config, conditions, num_sequences)
        program = self._tested_as(config)
        scores = jax.device_get(
            program.evaluate(self.state, program.inputs(program.config), program.arrays)
        )
        record = make_record(config, int(self.state.step), None, scores)
        return dataset_of(config, [record]).isel(step=0)

    def _tested_as(self, config: AnyConfig) -> Program:
        """A program that is tested as the config says; compiled once for each evaluation."""
        # Probes compare with the initial network, which needs the initial connectivity.
        needed = config if getattr(config.evaluation, "probes", ()) else _unconnected(config)
        if self._program.config in (config, needed):
            return self._program
        key = needed.model_dump_json()
        if key not in self._evaluations:
            self._evaluations[key] = make_program(self._program.problem.tested_as(needed))
        return self._evaluations[key]


def _unconnected(config: AnyConfig) -> AnyConfig:
    return config.model_copy(update={"connectivity": {}})


def _forward(program: Program) -> Callable[..., Any]:
    def forward(variables: Any, given: Any, query_only: bool, return_aux: bool) -> Any:
        logits, aux = program.problem.apply(variables, given, query_only)
        return (logits, aux) if return_aux else logits

    return jax.jit(forward, static_argnums=(2, 3))


def with_evaluation(
    config: AnyConfig, conditions: Iterable[str] | None, num_sequences: int | None
) -> AnyConfig:
    """The config with other settings of the evaluation. Raises UserError where they cannot be."""
    tree = config.model_dump(mode="json")
    if isinstance(conditions, str):
        raise UserError(f"conditions = {conditions}; allowed: a list such as [{conditions!r}]")
    if conditions is not None and tuple(conditions) != config.evaluation.conditions:
        tree["evaluation"]["conditions"] = list(conditions)
    if num_sequences is not None:
        tree["evaluation"]["num_sequences"] = num_sequences
    return parse_config(tree)
