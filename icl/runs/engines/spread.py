"""One run over all devices of all processes."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, PyTree

from icl.errors import UserError
from icl.problems.base import Inputs, Program
from icl.runs.engines.base import Pack, begin_record, progress_of, running_sums


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
        begin_record=begin_record,
        progress=lambda state: [progress_of(jax.device_get(running_sums(state)))],
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
