"""Drawing, look-up and encoding of data in two forms."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.forms import Forms, looped, repeated, trained
from icl.data.bits import random_order

BATCH, ITEMS, SIDE = 64, 9, 28
CLASSES, EXEMPLARS, COMPONENTS, HIDDEN, WIDTH = 1600, 20, 64, 128, 64
PIXELS, IMAGES = SIDE * SIDE, BATCH * ITEMS
RNG = np.random.default_rng(0)
BANK = RNG.integers(0, 256, (CLASSES * EXEMPLARS, PIXELS), np.uint8)


def _orders() -> Forms:
    bits = jnp.asarray(RNG.integers(0, 2**32, (BATCH, ITEMS), np.uint32))

    def ordered(order: Callable[[jax.Array], jax.Array]) -> Callable[[jax.Array], jax.Array]:
        # Multiplication by an odd number gives the next numbers another order.
        return lambda bits: bits * jnp.uint32(2654435761) + jax.vmap(order)(bits).astype(jnp.uint32)

    return repeated(bits, ordered(jnp.argsort), ordered(random_order))


def _chosen() -> jax.Array:
    return jnp.asarray(RNG.integers(0, len(BANK), IMAGES))


def _widened() -> Forms:
    """Look-up of exemplars stored as float32 and as uint8; all values enter the next choice."""

    def step(state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        bank, chosen = state
        items = bank[chosen]
        items = items.astype(jnp.float32) / 255 if bank.dtype == jnp.uint8 else items
        return bank, (chosen + (jnp.max(items, axis=1) * 1000).astype(int)) % len(bank)

    banks = jnp.asarray(BANK.astype(np.float32) / 255), jnp.asarray(BANK)
    return Forms(*(looped((bank, _chosen()), step) for bank in banks))


def _projected() -> Forms:
    """The product of a fixed encoder, before the trained layer."""
    components = jnp.asarray(RNG.standard_normal((PIXELS, COMPONENTS)), jnp.float32)
    bank = jnp.asarray(BANK)

    def encode(items: jax.Array) -> jax.Array:
        return items.astype(jnp.float32) / 255 @ components

    def own(state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        bank, chosen = state
        return bank, _next(chosen, encode(bank[chosen]))

    def other(state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        features, chosen = state
        return features, _next(chosen, features[chosen])

    def _next(chosen: jax.Array, features: jax.Array) -> jax.Array:
        return (chosen + jnp.abs(jnp.sum(features, axis=1)).astype(int)) % len(BANK)

    kept = jax.jit(encode)(bank), _chosen()
    return Forms(looped(kept, other), looped((bank, _chosen()), own))


def _once(num_images: int) -> Forms:
    """An encoder applied to the distinct images of a batch, found by sorting.

    Their number is unknown in advance: there has to be room for all images of the batch, or for
    all existing images if these are fewer.
    """
    chosen = jnp.asarray(RNG.integers(0, num_images, IMAGES))
    bank = jnp.asarray(BANK[:num_images])
    room = min(num_images, IMAGES)

    def encode(weights: dict[str, jax.Array], images: jax.Array) -> jax.Array:
        hidden = jax.nn.relu(bank[images].astype(jnp.float32) / 255 @ weights["hidden"])
        return hidden @ weights["out"]

    def once(weights: dict[str, jax.Array]) -> jax.Array:
        distinct, places = jnp.unique(chosen, size=room, fill_value=0, return_inverse=True)
        return encode(weights, distinct)[places]

    weights = {
        "hidden": jnp.asarray(RNG.standard_normal((PIXELS, HIDDEN)), jnp.float32) / SIDE,
        "out": jnp.asarray(RNG.standard_normal((HIDDEN, WIDTH)), jnp.float32) / HIDDEN**0.5,
    }
    return trained(weights, once, lambda weights: encode(weights, chosen))


DATA_LEVERS: dict[str, Callable[[], Forms]] = {
    "orders of 9 by sorting over ranks": _orders,
    "exemplars kept as float32 over uint8": _widened,
    "principal components kept over computed, with look-up": _projected,
    "images encoded once each over all, 32,000 images": lambda: _once(CLASSES * EXEMPLARS),
    "images encoded once each over all, 100 images": lambda: _once(100),
}
