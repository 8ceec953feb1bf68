"""Runs that go together: one compiled program, several states.

On an accelerator many runs are lanes of one `vmap`ped program, spread over all devices. On a CPU
that gains nothing (`benchmarks.sweeps` measures it): there a pack is a single run, and as many of
them as there are cores go on at a time, each driven by a host thread. Either way a run's numbers
are those that it has alone: lanes do not meet.

A single large run may also be spread over all devices of all hosts, a part of each batch on every
one (`spread`); it is the same run but for the order of sums.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, PyTree

from icl.problems.base import Inputs, Program
from icl.runs.engines.base import Pack, begin_record, memory_of, progress_of, running_sums
from icl.training.step import TrainState


def make_lanes(program: Program, inputs: Sequence[Inputs]) -> Pack:
    """All runs as lanes of one program, in equal parts on all local devices."""
    mesh = _mesh()
    # Lanes without a run repeat the last one, so that each device has as many.
    count, spare = len(inputs), -len(inputs) % mesh.size
    by_lane, shared = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in (("run",), ()))

    def stack(trees: Sequence[PyTree]) -> PyTree:
        padded = [*trees, *[trees[-1]] * spare]
        return jax.device_put(jax.tree.map(lambda *leaves: jnp.stack(leaves), *padded), by_lane)

    stacked, arrays = stack(inputs), jax.device_put(program.arrays, shared)
    train, evaluate = _over_lanes(program)
    num_lanes, stop = count + spare, jax.device_put(jnp.int32(0), shared)
    states = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((num_lanes, *leaf.shape), leaf.dtype, sharding=by_lane),
        program.shapes,
    )
    compiled = _compiled(program, num_lanes, lambda: train.lower(states, stacked, arrays, stop))
    _check_memory(compiled, mesh.devices[0])

    def split(tree: PyTree) -> list[PyTree]:
        host = jax.device_get(tree)
        return [jax.tree.map(lambda leaf, i=i: leaf[i], host) for i in range(count)]

    return Pack(
        place=stack,
        train=lambda lanes, stop: jax.block_until_ready(
            compiled(lanes, stacked, arrays, jax.device_put(jnp.int32(stop), shared))
        ),
        evaluate=lambda lanes: split(evaluate(lanes, stacked, arrays)),
        fetch=split,
        begin_record=lambda lanes: jax.device_put(begin_record(lanes), by_lane),
        progress=lambda lanes: [progress_of(sums) for sums in split(running_sums(lanes))],
        memory=memory_of(compiled),
    )


@lru_cache(maxsize=2)
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
        # Shared by all lanes: the length of a loop must not be a lane's own.
        start = jnp.max(states.step)
        return mapped(train_lane, 3)(states, inputs, arrays, stop, start)

    return jax.jit(train, donate_argnums=0), jax.jit(mapped(program.evaluate, 1))


_compilations: WeakKeyDictionary[Program, dict[int, Any]] = WeakKeyDictionary()


def _compiled(program: Program, num_lanes: int, lower: Callable[[], Any]) -> Any:
    """The training of so many lanes, compiled once for as long as the program is kept."""
    compiled = _compilations.setdefault(program, {})
    if num_lanes not in compiled:
        compiled[num_lanes] = lower().compile()
    return compiled[num_lanes]


def _check_memory(compiled: Any, device: Any) -> None:
    """Raise RuntimeError, as the device would, where a program does not fit into its memory."""
    needed, limits = memory_of(compiled), device.memory_stats()
    if needed and limits:
        free = limits["bytes_limit"] - limits["bytes_in_use"]
        if needed > free:
            raise RuntimeError(f"RESOURCE_EXHAUSTED: {needed:,} bytes needed, {free:,} free")


def _mesh() -> Mesh:
    return Mesh(np.array(jax.local_devices()), ("run",))
