"""Linear recurrences in chunks: quadratic within a chunk, and a state carried from one to the next.

The cost is linear in the length of the sequence (Yang et al. 2024, arXiv 2312.06635). Arrays are
[batch, head, token, dim]; states are float32.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from icl.models.sites import Sites

CHUNK = 64

State = Float[Array, "batch head key value"]
Heads = Float[Array, "batch head token dim"]
Step = Callable[..., tuple[State, Heads]]


def to_heads(x: Float[Array, "batch token head dim"]) -> Heads:
    return x.swapaxes(1, 2)


def from_heads(x: Heads, sites: Sites) -> Float[Array, "batch token width"]:
    """Heads side by side, after the site `heads`: [batch, token, head, dim]."""
    batch, heads, tokens, dim = x.shape
    return sites.site("heads", x.swapaxes(1, 2)).reshape(batch, tokens, heads * dim)


def product(a: Array, b: Array) -> Array:
    """A matrix product in the type of the first, summed in float32."""
    return jnp.matmul(a, b.astype(a.dtype), preferred_element_type=jnp.float32)


def scan_chunks(
    step: Step, *inputs: Float[Array, "batch head token _"]
) -> Float[Array, "batch head out value"]:
    """Outputs of all chunks, in order.

    step: (state, chunk of each input) -> (next state, output); the first state is None. The first
        chunk has the tokens that are left over, so that all others have `CHUNK`.
    """
    num_tokens = inputs[0].shape[2]
    num_others = (num_tokens - 1) // CHUNK
    start = num_tokens - num_others * CHUNK
    state, first = step(None, *(x[:, :, :start] for x in inputs))
    if not num_others:
        return first

    def split(x: Array) -> Array:
        batch, heads, _, dim = x.shape
        return jnp.moveaxis(x[:, :, start:].reshape(batch, heads, num_others, CHUNK, dim), 2, 0)

    def body(state: State, chunk: Any) -> tuple[State, Heads]:
        return step(state, *chunk)

    _, others = jax.lax.scan(body, state, tuple(split(x) for x in inputs))
    batch, heads, _, dim = first.shape
    return jnp.concatenate(
        [first, jnp.moveaxis(others, 0, 2).reshape(batch, heads, -1, dim)], axis=2
    )


def decaying_attention(
    q: Float[Array, "batch head out key"],
    k: Float[Array, "batch head token key"],
    v: Float[Array, "batch head token value"],
    log_decay: Float[np.ndarray, " head"],
) -> Float[Array, "batch head out value"]:
    """Sum over tokens s <= t of decay ** (t - s) (q_t . k_s) v_s, in float32.

    q: queries of all tokens, or of the last alone.
    """

    def powers(exponents: np.ndarray) -> np.ndarray:
        """[head, *exponents.shape]"""
        return np.exp(np.multiply.outer(log_decay, exponents)).astype(np.float32)

    def step(state: State | None, q: Array, k: Array, v: Array) -> tuple[State, Array]:
        num_out, size = q.shape[2], k.shape[2]
        after = np.arange(size)[::-1]  # tokens of the chunk after each
        distances = after - after[size - num_out :, None]
        scores = product(q, k.mT) * powers(np.maximum(distances, 0))
        out = product(jnp.where(distances >= 0, scores, 0).astype(v.dtype), v)
        new = product((k * powers(after)[..., None]).astype(k.dtype).mT, v)
        if state is not None:
            since = size - after[size - num_out :]  # tokens since the state was
            out += product(q, state) * powers(since)[..., None]
            new += state * powers(np.array([[size]]))
        return new, out

    return step(None, q, k, v)[1] if q.shape[2] == 1 else scan_chunks(step, q, k, v)
