"""One run by itself, on this process's device."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from icl.problems.base import Inputs, Program
from icl.runs.engines.base import Compilations, OneRun, ScoresByCondition
from icl.training.step import TrainState


class SingleEngine(OneRun):
    """Computes one run. Host threads may run as many of these side by side as there are cores.

    compilations: of the program, where threads share it.
    """

    def __init__(
        self,
        program: Program,
        inputs: Sequence[Inputs],
        compilations: Compilations | None = None,
    ):
        (self._inputs,) = inputs
        self._program, self._compilations = program, compilations or Compilations()

    def place(self, states: Sequence[TrainState]) -> TrainState:
        return jax.device_put(states[0])

    def train(self, state: TrainState, stop: int) -> TrainState:
        with self._compilations.first_call("train"):
            trained = self._program.train(
                state, jnp.int32(stop), self._inputs, self._program.arrays
            )
            return jax.block_until_ready(trained)

    def evaluate(self, state: TrainState) -> list[ScoresByCondition]:
        with self._compilations.first_call("evaluate"):
            scores = self._program.evaluate(state, self._inputs, self._program.arrays)
            return [jax.device_get(scores)]

    def agree(self, number: int) -> int:
        return number
