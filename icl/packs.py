"""Runs that go together: one compiled program, several states.

On an accelerator many runs are lanes of one `vmap`ped program, spread over all devices. On a CPU
that gains nothing (`benchmarks.sweeps` measures it): there a pack is a single run, and as many of
them as there are cores go on at a time, each driven by a host thread. Either way a run's numbers
are those that it has alone: lanes do not meet.

A single large run may also be spread over all devices of all hosts, a part of each batch on every
one (`spread`); it is the same run but for the order of sums.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from threading import Lock
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, PyTree

from icl.errors import UserError
from icl.program import Inputs, Program
from icl.training import TrainState

Scores = dict[str, dict[str, Any]]
Lanes = Any  # the states of all runs, in a form that only the pack's own functions know


class Pack(NamedTuple):
    """The functions of runs that go together; all are at the same step.

    place: states of single runs, in order, to lanes.
    train: (lanes, step) to lanes after that many steps in all; gives up those given. Waits.
    evaluate: lanes to the scores of each, on the host.
    fetch: lanes to the state of each, on the host.
    begin_record: lanes with the running sums of the record at zero.
    progress: lanes to the first step that was not finite (0: none) and the mean loss, of each.
    agree: a number to that of the first of all processes that compute the pack.
    memory: bytes that training takes on each device; 0 where it is not known beforehand.
    """

    place: Callable[[Sequence[TrainState]], Lanes]
    train: Callable[[Lanes, int], Lanes]
    evaluate: Callable[[Lanes], list[Scores]]
    fetch: Callable[[Lanes], list[TrainState]]
    begin_record: Callable[[Lanes], Lanes]
    progress: Callable[[Lanes], list[tuple[int, float]]]
    agree: Callable[[int], int] = lambda number: number
    memory: int = 0


def make_single(program: Program, inputs: Sequence[Inputs]) -> Pack:
    """One run by itself."""
    (own,), arrays = inputs, program.arrays

    def train(state: TrainState, stop: int) -> TrainState:
        with _first_call(program, "train"):
            return jax.block_until_ready(program.train(state, jnp.int32(stop), own, arrays))

    def evaluate(state: TrainState) -> list[Scores]:
        with _first_call(program, "evaluate"):
            return [jax.device_get(program.evaluate(state, own, arrays))]

    return Pack(
        place=lambda states: jax.device_put(states[0]),
        train=train,
        evaluate=evaluate,
        fetch=lambda state: [jax.device_get(state)],
        begin_record=_begin_record,
        progress=lambda state: [_progress(jax.device_get(_sums(state)))],
    )


_called: WeakKeyDictionary[Program, set[str]] = WeakKeyDictionary()
_calling = Lock()


@contextmanager
def _first_call(program: Program, name: str) -> Iterator[None]:
    """Threads that run the same program wait while the first of them compiles it."""
    if name in _called.get(program, ()):
        yield
        return
    with _calling:
        yield
        _called.setdefault(program, set()).add(name)


def make_vmap(program: Program, inputs: Sequence[Inputs]) -> Pack:
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
        begin_record=lambda lanes: jax.device_put(_begin_record(lanes), by_lane),
        progress=lambda lanes: [_progress(sums) for sums in split(_sums(lanes))],
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


def memory_of(compiled: Any) -> int:
    """Bytes of a compiled program: its arguments, and what it needs beside; 0: not known."""
    analysis = compiled.memory_analysis()
    return analysis.temp_size_in_bytes + analysis.argument_size_in_bytes if analysis else 0


def _check_memory(compiled: Any, device: Any) -> None:
    """Raise RuntimeError, as the device would, where a program does not fit into its memory."""
    needed, limits = memory_of(compiled), device.memory_stats()
    if needed and limits:
        free = limits["bytes_limit"] - limits["bytes_in_use"]
        if needed > free:
            raise RuntimeError(f"RESOURCE_EXHAUSTED: {needed:,} bytes needed, {free:,} free")


def _mesh() -> Mesh:
    return Mesh(np.array(jax.local_devices()), ("run",))


def make_spread(program: Program, inputs: Sequence[Inputs]) -> Pack:
    """One run over all devices of all processes, each with a part of every batch.

    Raises UserError where the batch cannot be parted evenly.
    """
    mesh = Mesh(np.array(jax.devices()), ("batch",))
    size = program.config.training.batch_size
    if size % mesh.size:
        raise UserError(
            f"training.batch_size = {size}; allowed on {mesh.size} devices: "
            f"a multiple of {mesh.size}"
        )
    everywhere = NamedSharding(mesh, PartitionSpec())
    parted = NamedSharding(mesh, PartitionSpec("batch"))
    own, arrays, zero = _replicate((inputs[0], program.arrays, jnp.int32(0)), everywhere)

    def spread(sequence: PyTree) -> PyTree:
        return jax.lax.with_sharding_constraint(sequence, parted)

    train = jax.jit(
        lambda state, stop, own, arrays: program.train(state, stop, own, arrays, spread=spread),
        donate_argnums=0,
        out_shardings=everywhere,
    )
    evaluate = jax.jit(program.evaluate, out_shardings=everywhere)
    return Pack(
        place=lambda states: _replicate(states[0], everywhere),
        train=lambda state, stop: jax.block_until_ready(train(state, zero + stop, own, arrays)),
        evaluate=lambda state: [jax.device_get(evaluate(state, own, arrays))],
        fetch=lambda state: [jax.device_get(state)],
        begin_record=_begin_record,
        progress=lambda state: [_progress(jax.device_get(_sums(state)))],
        agree=lambda number: int(multihost_utils.broadcast_one_to_all(np.int32(number))),
    )


def _replicate(tree: PyTree, everywhere: NamedSharding) -> PyTree:
    """Arrays that every process has, as one array of all of them."""

    def whole(leaf: Array) -> Array:
        is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        data = np.asarray(jax.random.key_data(leaf) if is_key else leaf)
        placed = jax.make_array_from_callback(data.shape, everywhere, lambda index: data[index])
        return jax.jit(jax.random.wrap_key_data)(placed) if is_key else placed

    return jax.tree.map(whole, tree)


# By name: (program, inputs of each run) to a pack.
ENGINES: dict[str, Callable[[Program, Sequence[Inputs]], Pack]] = {
    "threads": make_single,
    "vmap": make_vmap,
    "spread": make_spread,
}


def default_engine() -> str:
    """The faster one on this machine's kind of device."""
    return "threads" if jax.default_backend() == "cpu" else "vmap"


def num_workers(engine: str) -> int:
    """Packs that go on at a time: single runs, as many as there are cores, or one of many lanes."""
    if engine == "vmap":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _begin_record(state: TrainState) -> TrainState:
    zeros = jnp.zeros_like(state.loss_sum), jnp.zeros_like(state.loss_count)
    return state._replace(loss_sum=zeros[0], loss_count=zeros[1])


def _sums(state: TrainState) -> tuple[Any, Any, Any]:
    return state.bad_step, state.loss_sum, state.loss_count


def _progress(sums: tuple[Any, Any, Any]) -> tuple[int, float]:
    bad_step, loss_sum, loss_count = sums
    return int(bad_step), float(loss_sum) / max(int(loss_count), 1)
