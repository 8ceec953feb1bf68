"""One run by itself, on this process's device."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from icl.problems.base import Inputs, Program
from icl.runs.engines.base import Pack, Scores, begin_record, first_call, progress_of, running_sums
from icl.training.step import TrainState


def make_single(program: Program, inputs: Sequence[Inputs]) -> Pack:
    """One run by itself."""
    (own,), arrays = inputs, program.arrays

    def train(state: TrainState, stop: int) -> TrainState:
        with first_call(program, "train"):
            return jax.block_until_ready(program.train(state, jnp.int32(stop), own, arrays))

    def evaluate(state: TrainState) -> list[Scores]:
        with first_call(program, "evaluate"):
            return [jax.device_get(program.evaluate(state, own, arrays))]

    return Pack(
        place=lambda states: jax.device_put(states[0]),
        train=train,
        evaluate=evaluate,
        fetch=lambda state: [jax.device_get(state)],
        begin_record=begin_record,
        progress=lambda state: [progress_of(jax.device_get(running_sums(state)))],
    )
