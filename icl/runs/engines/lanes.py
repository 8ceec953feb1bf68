"""Many runs as lanes of one `vmap`ped program, spread over all local devices.

This pays off on an accelerator. On a CPU it gains nothing (`benchmarks.sweeps` measures it); there,
`icl.runs.engines.single` computes one run in each host thread.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, PyTree

from icl.problems.base import Inputs, Program
from icl.runs.engines.base import (
    Compilations,
    ScoresByCondition,
    begin_record,
    memory_of,
    progress_of,
    running_sums,
)
from icl.training.step import TrainState


class LanesEngine:
    """Computes all runs as lanes of one program, in equal parts on all local devices.

    compilations: of the program, where several groups of runs share it.

    Raises RuntimeError, as the device would, where the lanes do not fit into its memory.
    """

    def __init__(
        self,
        program: Program,
        inputs: Sequence[Inputs],
        compilations: Compilations | None = None,
    ):
        compilations = compilations or Compilations()
        mesh = _mesh()
        # Lanes without a run repeat the last one, so that each device has as many.
        self._count, self._spare = len(inputs), -len(inputs) % mesh.size
        self._by_lane, self._shared = (
            NamedSharding(mesh, PartitionSpec(*axes)) for axes in (("run",), ())
        )
        self._inputs = self._stack(inputs)
        self._arrays = jax.device_put(program.arrays, self._shared)
        train, self._evaluate = compilations.once("lanes", lambda: _over_lanes(program))
        num_lanes = self._count + self._spare
        states = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(
                (num_lanes, *leaf.shape), leaf.dtype, sharding=self._by_lane
            ),
            program.shapes,
        )
        self._train = compilations.once(
            ("lanes", num_lanes),
            lambda: train.lower(states, self._inputs, self._arrays, self._step(0)).compile(),
        )
        check_memory(self._train, mesh.devices[0])
        self.memory = memory_of(self._train)

    def place(self, states: Sequence[TrainState]) -> TrainState:
        return self._stack(states)

    def train(self, states: TrainState, stop: int) -> TrainState:
        trained = self._train(states, self._inputs, self._arrays, self._step(stop))
        return jax.block_until_ready(trained)

    def evaluate(self, states: TrainState) -> list[ScoresByCondition]:
        return self._split(self._evaluate(states, self._inputs, self._arrays))

    def fetch(self, states: TrainState) -> list[TrainState]:
        return self._split(states)

    def begin_record(self, states: TrainState) -> TrainState:
        return jax.device_put(begin_record(states), self._by_lane)

    def progress(self, states: TrainState) -> list[tuple[int, float]]:
        return [progress_of(sums) for sums in self._split(running_sums(states))]

    def agree(self, number: int) -> int:
        return number

    def _step(self, number: int) -> Array:
        return jax.device_put(jnp.int32(number), self._shared)

    def _stack(self, trees: Sequence[PyTree]) -> PyTree:
        padded = [*trees, *[trees[-1]] * self._spare]
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *padded)
        return jax.device_put(stacked, self._by_lane)

    def _split(self, tree: PyTree) -> list[PyTree]:
        host = jax.device_get(tree)
        return [jax.tree.map(lambda leaf, i=i: leaf[i], host) for i in range(self._count)]


def _over_lanes(program: Program) -> tuple[Any, Any]:
    """Training and evaluation of all lanes, jitted."""
    mesh, lanes, everyone = _mesh(), PartitionSpec("run"), PartitionSpec()

    def mapped(function: Callable[..., Any], num_shared: int) -> Callable[..., Any]:
        """A function of (state, inputs, *shared) over lanes, on each device its own part."""
        return jax.shard_map(
            jax.vmap(function, in_axes=(0, 0, *[None] * num_shared)),
            mesh=mesh,
            in_specs=(lanes, lanes, *[everyone] * num_shared),
            out_specs=lanes,
            check_vma=False,
        )

    def train_lane(
        state: TrainState, own: Inputs, arrays: PyTree, stop: Array, start: Array
    ) -> TrainState:
        return program.train(state, stop, own, arrays, start)

    def train(states: TrainState, inputs: Inputs, arrays: PyTree, stop: Array) -> TrainState:
        # Shared by all lanes: a lane must not have a length of the loop of its own.
        start = jnp.max(states.step)
        return mapped(train_lane, 3)(states, inputs, arrays, stop, start)

    return jax.jit(train, donate_argnums=0), jax.jit(mapped(program.evaluate, 1))


def check_memory(compiled: Any, device: Any) -> None:
    """Raise RuntimeError, as the device would, where a program does not fit into its memory."""
    needed, limits = memory_of(compiled), device.memory_stats()
    if needed and limits:
        free = limits["bytes_limit"] - limits["bytes_in_use"]
        if needed > free:
            raise RuntimeError(f"RESOURCE_EXHAUSTED: {needed:,} bytes needed, {free:,} free")


def _mesh() -> Mesh:
    return Mesh(np.array(jax.local_devices()), ("run",))
