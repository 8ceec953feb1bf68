"""Batches of sequences: drawn as integers, then looked up."""

import functools

import jax
import jax.numpy as jnp
from jax import ShapeDtypeStruct
from jax.tree_util import PyTreeDef
from jaxtyping import Array, Float, Int, Key, PyTree, Shaped, UInt32

from icl.data.bits import RandomBits, start_of_part, uniform_below
from icl.data.families.base import Family
from icl.types import Exemplars, IndexSequence, Knobs, Sequence

# More integers than any family takes.
MAX_INTEGERS = 2**16


def count_bits(family: Family, knobs: Knobs) -> int:
    """The number of random 32-bit integers that a sequence of the family takes."""
    leaves, structure = jax.tree.flatten(knobs)
    shapes = tuple(ShapeDtypeStruct(jnp.shape(leaf), leaf.dtype) for leaf in leaves)
    return _count_bits(family, structure, shapes)


@functools.lru_cache
def _count_bits(family: Family, structure: PyTreeDef, shapes: tuple[ShapeDtypeStruct, ...]) -> int:
    """Count by tracing a sequence, once for each family and shapes of knobs."""
    used = 0

    def draw(array: Array, knobs: Knobs) -> IndexSequence:
        nonlocal used
        bits = RandomBits(array)
        drawn = family(bits, knobs)
        used = bits.used
        return drawn

    bits = ShapeDtypeStruct((MAX_INTEGERS,), jnp.uint32)
    jax.eval_shape(draw, bits, jax.tree.unflatten(structure, shapes))
    return used


def draw_indices(
    key: Key[Array, ""], family: Family, knobs: Knobs, batch_size: int
) -> IndexSequence:
    """Draw a batch of sequences as integers."""
    shape = batch_size, count_bits(family, knobs)
    bits = jax.random.bits(key, shape, jnp.uint32)
    return jax.vmap(lambda row: family(RandomBits(row), knobs))(bits)


def choose(
    key: Key[Array, ""], num_sequences: Int[Array, ""], batch_size: int
) -> Int[Array, " batch"]:
    """Draw the numbers of a batch's sequences in a finite data set, uniformly, with replacement."""
    bits = jax.random.bits(key, (batch_size,), jnp.uint32)
    return uniform_below(bits, num_sequences).astype(jnp.int32)


def keys_of(data_key: Key[Array, ""], numbers: Int[Array, " batch"]) -> Key[Array, " batch"]:
    """The key of each sequence of a finite data set. data_key: of the data set."""
    return jax.vmap(jax.random.fold_in, (None, 0))(data_key, numbers)


def split_each(keys: Key[Array, " batch"], count: int) -> tuple[Key[Array, " batch"], ...]:
    """Split each key into `count` keys."""
    return jax.vmap(lambda key: tuple(jax.random.split(key, count)))(keys)


def draw_numbered(keys: Key[Array, " batch"], family: Family, knobs: Knobs) -> IndexSequence:
    """Draw one sequence as integers for each key. The same key gives the same sequence."""
    count = count_bits(family, knobs)

    def draw(key: Key[Array, ""]) -> IndexSequence:
        return family(RandomBits(jax.random.bits(key, (count,), jnp.uint32)), knobs)

    return jax.vmap(draw)(keys)


def at_step(knobs: Knobs, step: Int[Array, ""]) -> Knobs:
    """The knobs after `step` training steps, which set how far meanings have drifted."""
    return knobs._replace(step=step)


def in_block(knobs: Knobs) -> Knobs:
    """Limit the pool `train` to the classes of the present block, where there are blocks.

    Block b of B has classes b * n / B .. (b + 1) * n / B - 1, rounded down. Each block lasts
    `block_steps` steps, and the first follows the last.
    """
    if knobs.num_blocks is None or knobs.block_steps is None:
        return knobs
    block = knobs.step // knobs.block_steps % knobs.num_blocks
    first, end = (start_of_part(b, knobs.num_blocks, knobs.num_classes) for b in (block, block + 1))
    pool = knobs.pools["train"]._replace(first=first, size=end - first)
    return knobs._replace(pools=knobs.pools | {"train": pool})


def draw_batch(
    key: Key[Array, ""], batch_size: int, family: Family, knobs: Knobs, exemplars: Exemplars
) -> tuple[IndexSequence, Sequence]:
    """Draw fresh sequences, as integers and as the network sees them."""
    index_key, item_key = jax.random.split(key)
    indices = draw_indices(index_key, family, knobs, batch_size)
    return indices, look_up(item_key, indices, exemplars, exemplars.arrays, knobs)


def draw_numbered_batch(
    keys: Key[Array, " batch"], family: Family, knobs: Knobs, exemplars: Exemplars
) -> Sequence:
    """Draw one sequence for each key, as the network sees it. The same key gives the same one."""
    index_keys, item_keys = split_each(keys, 2)
    indices = draw_numbered(index_keys, family, knobs)
    return look_up(item_keys, indices, exemplars, exemplars.arrays, knobs)


def look_up(
    key: Key[Array, ""] | Key[Array, " batch"],
    indices: IndexSequence,
    exemplars: Exemplars,
    arrays: PyTree,
    knobs: Knobs,
) -> Sequence:
    """Fetch the items of a batch, and add pixel noise and random images where they are on.

    key: one for the batch, or one for each sequence.
    arrays: those of the exemplars.
    """
    items = exemplars.fetch(arrays, indices.classes, indices.exemplars)
    image_key, noise_key, bits_key = (
        jax.random.split(key, 3) if key.ndim == 0 else split_each(key, 3)
    )
    if knobs.first_rare_class is not None:
        items = _with_random_rare(image_key, items, indices.classes, knobs)
    if knobs.noise_scale is not None:
        items = items + knobs.noise_scale * _normal(noise_key, items)
    return Sequence(items, indices.labels, _bits(bits_key, len(items)))


def _bits(key: Key[Array, "..."], batch_size: int) -> UInt32[Array, " batch"]:
    if key.ndim == 0:
        return jax.random.bits(key, (batch_size,), jnp.uint32)
    return jax.vmap(lambda k: jax.random.bits(k, (), jnp.uint32))(key)


def _normal(key: Key[Array, "..."], items: Float[Array, "batch *rest"]) -> Array:
    if key.ndim == 0:
        return jax.random.normal(key, items.shape, items.dtype)
    return jax.vmap(lambda k: jax.random.normal(k, items.shape[1:], items.dtype))(key)


def _with_random_rare(
    key: Key[Array, "..."],
    items: Float[Array, "batch item *shape"],
    classes: Int[Array, "batch item"],
    knobs: Knobs,
) -> Float[Array, "batch item *shape"]:
    """Replace each rare class by a random binary image, new in each sequence (Chan et al. 2022)."""
    keys = key if key.ndim else jax.random.split(key, len(items))
    shape = items.shape[2:]

    def image(sequence_key: Key[Array, ""], class_index: Array) -> Shaped[Array, "*shape"]:
        own_key = jax.random.fold_in(sequence_key, class_index)
        return jax.random.bernoulli(own_key, shape=shape).astype(items.dtype)

    images = jax.vmap(jax.vmap(image, (None, 0)))(keys, classes)
    assert knobs.first_rare_class is not None
    is_rare = (classes >= knobs.first_rare_class) & (classes < knobs.num_classes)
    return jnp.where(is_rare.reshape(*is_rare.shape, *(1,) * len(shape)), images, items)
