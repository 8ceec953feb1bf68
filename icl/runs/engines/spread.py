"""One large run over all devices of all processes, each with a part of every batch.

It is the same run as on one device but for the order of floating-point sums.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, PyTree

from icl.errors import UserError
from icl.problems.base import Inputs, Program
from icl.runs.engines.base import Compilations, OneRun, ScoresByCondition
from icl.training.step import TrainState


class SpreadEngine(OneRun):
    """Computes one run over all devices of all processes.

    compilations: not used: a process spreads a single run.

    Raises UserError where the batch cannot be divided evenly.
    """

    def __init__(
        self,
        program: Program,
        inputs: Sequence[Inputs],
        compilations: Compilations | None = None,
    ):
        mesh = Mesh(np.array(jax.devices()), ("batch",))
        size = program.config.training.batch_size
        if size % mesh.size:
            raise UserError(
                f"training.batch_size = {size}; allowed on {mesh.size} devices: "
                f"a multiple of {mesh.size}"
            )
        self._everywhere = NamedSharding(mesh, PartitionSpec())
        parted = NamedSharding(mesh, PartitionSpec("batch"))
        self._inputs, self._arrays, self._zero = _replicate(
            (inputs[0], program.arrays, jnp.int32(0)), self._everywhere
        )

        def shard_batch(batch: PyTree) -> PyTree:
            return jax.lax.with_sharding_constraint(batch, parted)

        self._train = jax.jit(
            lambda state, stop, own, arrays: program.train(
                state, stop, own, arrays, shard_batch=shard_batch
            ),
            donate_argnums=0,
            out_shardings=self._everywhere,
        )
        self._evaluate = jax.jit(program.evaluate, out_shardings=self._everywhere)

    def place(self, states: Sequence[TrainState]) -> TrainState:
        return _replicate(states[0], self._everywhere)

    def train(self, state: TrainState, stop: int) -> TrainState:
        trained = self._train(state, self._zero + stop, self._inputs, self._arrays)
        return jax.block_until_ready(trained)

    def evaluate(self, state: TrainState) -> list[ScoresByCondition]:
        return [jax.device_get(self._evaluate(state, self._inputs, self._arrays))]

    def agree(self, number: int) -> int:
        return int(multihost_utils.broadcast_one_to_all(np.int32(number)))


def _replicate(tree: PyTree, everywhere: NamedSharding) -> PyTree:
    """Arrays that every process has, as one array of all of them."""

    def whole(leaf: Array) -> Array:
        is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        data = np.asarray(jax.random.key_data(leaf) if is_key else leaf)
        placed = jax.make_array_from_callback(data.shape, everywhere, lambda index: data[index])
        return jax.jit(jax.random.wrap_key_data)(placed) if is_key else placed

    return jax.tree.map(whole, tree)
