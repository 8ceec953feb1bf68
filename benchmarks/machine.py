"""Peaks of the machine as JAX reaches them: matrix products and memory."""

import time
from functools import cache

import jax
import jax.numpy as jnp

MATRIX_SIDE = 2048
NUM_FLOATS = 2**26


def matrix_product() -> float:
    """Seconds of one product of two square matrices, 2 * MATRIX_SIDE**3 operations."""
    return _seconds(*_product())


def memory_read() -> float:
    """Seconds to read NUM_FLOATS float32 numbers once."""
    return _seconds(*_sum())


@cache
def _product() -> tuple:
    side = jnp.ones((MATRIX_SIDE, MATRIX_SIDE))
    return jax.jit(lambda a: a @ a), side


@cache
def _sum() -> tuple:
    return jax.jit(jnp.sum), jnp.ones(NUM_FLOATS)


def _seconds(work, argument: jax.Array) -> float:
    begin = time.perf_counter()
    jax.block_until_ready(work(argument))
    return time.perf_counter() - begin
