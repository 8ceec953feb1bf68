"""Softmax attention from queries, keys and values of several heads."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from icl.models.layers import causal_mask

Heads = Float[Array, "batch token head dim"]
FLOAT32 = jnp.dtype(jnp.float32)
Pattern = Float[Array, "batch head out token"]


def attend(
    q: Float[Array, "batch out head dim"],
    k: Heads,
    v: Heads,
    scale: float,
    edit_pattern: Callable[[Pattern], Pattern] = lambda pattern: pattern,
) -> tuple[Float[Array, "batch out head dim"], Pattern]:
    """Output of causal attention at each of the last tokens, and its pattern over earlier tokens.

    edit_pattern: from the pattern to the one that values are mixed by.
    """
    scores = jnp.einsum("bqhd,bkhd->bhqk", q, k, preferred_element_type=jnp.float32)
    visible = causal_mask(*scores.shape[-2:])
    pattern = edit_pattern(jax.nn.softmax(jnp.where(visible, scores * scale, -jnp.inf), axis=-1))
    return jnp.einsum("bhqk,bkhd->bqhd", pattern.astype(v.dtype), v), pattern


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def attend_in_training(
    q: Float[Array, "batch out head dim"], k: Heads, v: Heads, scale: float
) -> tuple[Float[Array, "batch out head dim"], Pattern]:
    """`attend` with a custom gradient, which has no forward-mode derivatives.

    On a CPU a small product runs several times as fast if neither matrix has to be transposed for
    it. Patterns are kept as [token, out]: all products, forward and backward, then have this form,
    and only queries, keys and values are transposed.
    """
    return _forward(q, k, v, scale)[0]


def _forward(
    q: Array, k: Array, v: Array, scale: float
) -> tuple[tuple[Array, Array], tuple[Array, Array, Array, Array]]:
    scores = _product(_rows(k), _columns(q), FLOAT32)
    visible = causal_mask(q.shape[1], k.shape[1]).T
    pattern = jax.nn.softmax(jnp.where(visible, scores * scale, -jnp.inf), axis=-2)
    mixed = _product(_columns(v), pattern.astype(v.dtype), v.dtype)
    return (mixed.transpose(0, 3, 1, 2), pattern.swapaxes(2, 3)), (q, k, v, pattern)


def _backward(
    scale: float, kept: tuple[Array, Array, Array, Array], given: tuple[Array, Array]
) -> tuple[Array, Array, Array]:
    q, k, v, pattern = kept
    of_mixed, of_noted = given
    of_pattern = _product(_rows(v), _columns(of_mixed), FLOAT32) + of_noted.swapaxes(2, 3)
    of_v = _product(pattern.astype(v.dtype), _rows(of_mixed), v.dtype)
    mean = jnp.sum(of_pattern * pattern, axis=-2, keepdims=True)
    of_scores = (pattern * (of_pattern - mean) * scale).astype(q.dtype)
    of_k = _product(of_scores, _rows(q), k.dtype)
    of_q = _product(_columns(k), of_scores, q.dtype)
    return of_q.transpose(0, 3, 1, 2), of_k.transpose(0, 2, 1, 3), of_v.transpose(0, 2, 1, 3)


attend_in_training.defvjp(_forward, _backward)


def _rows(x: Heads) -> Float[Array, "batch head token dim"]:
    return x.transpose(0, 2, 1, 3)


def _columns(x: Heads) -> Float[Array, "batch head dim token"]:
    return x.transpose(0, 2, 3, 1)


def _product(a: Array, b: Array, dtype: jnp.dtype) -> Array:
    return lax.dot_general(a, b, (((3,), (2,)), ((0, 1), (0, 1))), preferred_element_type=dtype)
