"""Orders of a context: which item of the pattern comes at each place.

Items are numbered class by class, in the order of the pattern: in 3,3,1,1 the first class has
items 0, 1 and 2. In all orders but `blocked`, classes after the last repeated one may be anywhere.
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from icl.config.families import num_ways
from icl.data.bits import RandomBits, random_order

Pattern = tuple[int, ...]


def shuffled(bits: RandomBits, pattern: Pattern) -> Int[Array, " context"]:
    """All orders are equally probable."""
    return random_order(bits.take(sum(pattern)))


def grouped(bits: RandomBits, pattern: Pattern) -> Int[Array, " context"]:
    """Deal repeated classes in rounds, one item of each per round (Chan et al. 2022).

    Two classes of two items come as ABAB, ABBA, BAAB or BABA. Single items go in random places.
    """
    count = sum(pattern)
    rounds = np.concatenate([np.arange(shots) for shots in pattern])
    num_repeated = sum(pattern[: num_ways(pattern)])
    # Places are divided at random between repeated items and the others ...
    places = random_order(bits.take(count))
    # ... and repeated items fill theirs round by round.
    rank = _ranks(jnp.asarray(rounds[:num_repeated]), random_order(bits.take(num_repeated)))
    repeated_places = jnp.sort(places[:num_repeated])[rank]
    return _inverse(jnp.concatenate([repeated_places, places[num_repeated:]]))


def blocked(bits: RandomBits, pattern: Pattern) -> Int[Array, " context"]:
    """Put all items of a class one after another, and the classes in random order."""
    of_class = np.repeat(np.arange(len(pattern)), pattern)
    order_of_classes = random_order(bits.take(len(pattern)))
    return _inverse(_ranks(order_of_classes[of_class], jnp.arange(sum(pattern))))


def _ranks(first: Int[Array, " n"], second: Int[Array, " n"]) -> Int[Array, " n"]:
    """The rank of each item when sorted by the first number, then by the second."""
    before = (first[None] < first[:, None]) | (
        (first[None] == first[:, None]) & (second[None] < second[:, None])
    )
    return jnp.sum(before, axis=1, dtype=jnp.int32)


def _inverse(places: Int[Array, " n"]) -> Int[Array, " n"]:
    """The item at each place, given the place of each item."""
    return jnp.zeros_like(places).at[places].set(jnp.arange(len(places), dtype=places.dtype))


ORDERS: dict[str, Callable[[RandomBits, Pattern], Int[Array, " context"]]] = {
    "shuffled": shuffled,
    "grouped": grouped,
    "blocked": blocked,
}
