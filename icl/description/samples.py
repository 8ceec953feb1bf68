"""Samples of a distribution before training: thousands of sequences as integers."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key, Shaped, UInt32

from icl.config import ExperimentConfig
from icl.config.sources import MarkovSource
from icl.data.batches import at_step, choose, count_bits, in_block, keys_of, look_up, split_each
from icl.data.bits import RandomBits
from icl.data.families.base import Family
from icl.data.families.make import make_families
from icl.data.knobs import make_knobs
from icl.data.sources.load import load_exemplars
from icl.data.sources.on_device import check_exemplars, exemplars_in_use, put_on_device
from icl.evaluation.conditions import make_conditions
from icl.problems.streams import data_set_key, described_key, make_streams
from icl.types import Exemplars, IndexSequence, Knobs

NUM_TRAINING, NUM_CONDITION = 100_000, 20_000
CHUNK = 10_000
FEWEST = 500
# Entries of the matrices of chains, in all samples: about a million are drawn in a second.
MAX_ENTRIES = 2**23
LONG = 64  # items; of longer sequences, whose cost grows with the square, fewer are drawn

# A program runs a few times only: full optimisation takes longer than it saves, except where
# matrices are drawn.
QUICK = {"xla_backend_optimization_level": 0}


@dataclass(frozen=True)
class Parts:
    """The config and the data from which a description is made."""

    config: ExperimentConfig
    exemplars: Exemplars
    knobs: Knobs
    families: dict[str, Family]
    conditions: dict[str, Family]

    @functools.cached_property
    def items(self) -> Callable[[Key[Array, ""], IndexSequence], Array]:
        """Items [batch, item, *shape] of sequences, compiled once for each of their shapes."""

        def items(key: Array, indices: IndexSequence, arrays: Any, knobs: Knobs) -> Array:
            return look_up(key, indices, self.exemplars, arrays, knobs).exemplars

        compiled = jax.jit(items)
        return lambda key, indices: compiled(key, indices, self.exemplars.arrays, self.knobs)

    @functools.cached_property
    def data_set(self) -> Key[Array, " sequence"] | None:
        """Keys of the training sample, in order, from a finite data set; None without one.

        A run trains on the same sequences, chosen in the same way.
        """
        size = self.config.data.num_sequences
        if size is None:
            return None
        seed = self.config.seed
        key = described_key(seed, "train")
        chosen = choose(key, jnp.int32(size), how_many(self, "train"))
        return keys_of(data_set_key(make_streams(seed).train), chosen)

    @property
    def num_symbols(self) -> int | None:
        """The number of symbols of Markov chains; None for other sources."""
        source = self.config.data.source
        return source.num_symbols if isinstance(source, MarkovSource) else None


def make_parts(config: ExperimentConfig) -> Parts:
    """Load the exemplars and make the families.

    Raises UserError where the source is not available, or lacks what the config asks for.
    """
    data = config.data
    exemplars = put_on_device(data, load_exemplars(data.source))
    check_exemplars(config, exemplars)
    knobs = make_knobs(data, exemplars.num_classes, exemplars_in_use(data, exemplars))
    conditions = make_conditions(data, config.evaluation)
    conditions.pop("train", None)  # it is always described
    return Parts(config, exemplars, knobs, make_families(data), conditions)


def how_many(parts: Parts, name: str) -> int:
    """The number of sequences in a sample: fewer of long ones, and of chains of many symbols."""
    wanted = NUM_TRAINING if name == "train" else NUM_CONDITION
    wanted = int(wanted * min(1.0, (LONG / (parts.config.data.context_len + 1)) ** 2))
    if parts.num_symbols is None:
        return max(FEWEST, wanted)
    of_each = MAX_ENTRIES // (1 + len(parts.conditions))
    return max(2, min(wanted, of_each // parts.num_symbols**2))


def draw_sample(
    parts: Parts, name: str, family: Family, num_sequences: int | None = None
) -> IndexSequence:
    """Independent sequences as NumPy integers; training sequences if the name is `train`."""
    wanted = how_many(parts, name) if num_sequences is None else num_sequences
    entries = (parts.num_symbols or 1) ** 2  # of a chain's matrix, drawn for each sequence
    size = max(1, min(CHUNK, wanted, MAX_ENTRIES // 8 // entries))
    is_training = name == "train"
    num_blocks = parts.config.data.num_blocks

    def draw(keys: Key[Array, "*batch"], blocks: Int[Array, " batch"], knobs: Knobs) -> Any:
        def one(integers: Array, block: Array) -> IndexSequence:
            own = knobs
            if is_training and knobs.num_blocks is not None:
                own = in_block(at_step(knobs._replace(block_steps=jnp.int32(1)), block))
            return family(RandomBits(integers), own._replace(step=knobs.step))

        return jax.vmap(one)(_random_bits(keys, size, count_bits(family, knobs)), blocks)

    compiled = jax.jit(draw, compiler_options=None if parts.num_symbols else QUICK)
    chosen = parts.data_set if is_training and num_sequences is None else None
    chunks = []
    for i, start in enumerate(range(0, wanted, size)):
        numbers = jnp.arange(start, start + size)
        keys = described_key(parts.config.seed, name, i)
        if chosen is not None:
            keys = split_each(chosen[numbers % wanted], 2)[0]
        drawn = compiled(keys, numbers % num_blocks, parts.knobs)
        chunks.append(jax.tree.map(np.asarray, drawn))
    return jax.tree.map(lambda *a: np.concatenate(a)[:wanted], *chunks)


def _random_bits(
    keys: Key[Array, "*batch"], size: int, count: int
) -> UInt32[Array, "batch integer"]:
    """Random bits of sequences: of a batch with one key, or with one for each."""
    if keys.ndim == 0:
        return jax.random.bits(keys, (size, count), jnp.uint32)
    return jax.vmap(lambda key: jax.random.bits(key, (count,), jnp.uint32))(keys)


def items_of(
    parts: Parts, name: str, key: Key[Array, ""], indices: IndexSequence, chosen: Any
) -> Shaped[Array, "batch item *shape"]:
    """The items of chosen sequences of a sample, given their integers.

    key: for their randomness, unless a finite data set fixes it.
    """
    own = parts.data_set if name == "train" else None
    return parts.items(key if own is None else split_each(own[chosen], 2)[1], indices)
