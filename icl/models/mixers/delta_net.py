"""DeltaNet: a matrix memory corrected by its error (Schlag et al. 2021; Yang et al. 2024)."""

from typing import ClassVar

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from icl.config.networks import HeadsConfig
from icl.models.chunks import State, from_heads, product, scan_chunks, to_heads
from icl.models.layers import Layers, causal_mask, project
from icl.types import Aux

# Added to squared norms, which are divided by.
EPSILON = 1e-6


class Mixer(nnx.Module):
    """Several heads; S_t = S_{t-1} + beta_t (v_t - S_{t-1} k_t) k_t^T, o_t = S_t q_t, normed.

    Queries and keys are of length 1, and outputs divided by their root mean square. Without the
    short convolutions and the activations of Yang et al. (arXiv 2406.06484).
    """

    FUSED: ClassVar = {"qkv": ("query", "key", "value")}

    def __init__(self, config: HeadsConfig, make: Layers):
        width, self.num_heads = config.width, config.num_heads
        self.qkv = make.linear(width, 3 * width, bias=False)
        self.beta = make.linear(width, self.num_heads, bias=False)
        self.head_norm = nnx.RMSNorm(width // self.num_heads, epsilon=1e-5, rngs=make.rngs)
        self.out = make.linear(width, width, bias=False)

    def __call__(
        self, x: Float[Array, "batch token width"], query_only: bool
    ) -> tuple[Float[Array, "batch out width"], Aux]:
        parts = project(self.qkv, x, 3, query_only)
        q, k, v = (to_heads(part, self.num_heads) for part in parts)
        beta = jax.nn.sigmoid(to_heads(self.beta(x), self.num_heads).astype(jnp.float32))
        out = _delta_rule(_unit(q), _unit(k), v, beta)
        return self.out(from_heads(self.head_norm(out))), {}


def _unit(x: Array) -> Array:
    square = jnp.sum(x.astype(jnp.float32) ** 2, axis=-1, keepdims=True)
    return (x * jax.lax.rsqrt(square + EPSILON)).astype(x.dtype)


def _delta_rule(
    q: Float[Array, "batch head out key"],
    k: Float[Array, "batch head token key"],
    v: Float[Array, "batch head token value"],
    beta: Float[Array, "batch head token 1"],
) -> Float[Array, "batch head out value"]:
    """Outputs of all tokens, or of the last alone where only its query is given; float32.

    What a token writes, w_t = beta_t (v_t - S_{t-1} k_t), depends on what those before it in the
    chunk wrote: w_t + beta_t sum_s (k_t . k_s) w_s = beta_t (v_t - S k_t), s < t, with S the state
    before the chunk. That is a triangular system. States are transposed, [key, value].
    """
    queries = (q,) if q.shape == k.shape else ()

    def step(
        state: State | None, k: Array, v: Array, beta: Array, q: Array = q
    ) -> tuple[State, Array]:
        error = v if state is None else v - product(k, state)
        # Of the matrix, what is below the diagonal is read, and that taken to be 1.
        written = jax.lax.linalg.triangular_solve(
            beta * product(k, k.mT), beta * error, left_side=True, lower=True, unit_diagonal=True
        )
        visible = causal_mask(q.shape[2], k.shape[2])
        out = product(jnp.where(visible, product(q, k.mT), 0).astype(k.dtype), written)
        new = product(k.mT, written)
        if state is not None:
            out, new = out + product(q, state), new + state
        return new, out

    out = scan_chunks(step, k, v, beta, *queries)
    return out[:, :, -q.shape[2] :]
