"""DeltaNet: a matrix memory corrected by its error (Schlag et al. 2021; Yang et al. 2024)."""

from typing import ClassVar

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from icl.config.networks import HeadsConfig
from icl.models.chunks import State, from_heads, product, scan_chunks, to_heads
from icl.models.layers import Layers, causal_mask, project_heads, split_heads
from icl.models.sites import Sites

# Added to squared norms before dividing by them.
EPSILON = 1e-6


class Mixer(nnx.Module):
    """Several heads; S_t = S_{t-1} + beta_t (v_t - S_{t-1} k_t) k_t^T, o_t = S_t q_t, normed.

    Queries and keys are scaled to length 1, outputs are divided by their root mean square. There
    are no short convolutions and no activations, unlike in Yang et al. (arXiv 2406.06484).

    Sites: `query`, `key`, `value` of each head, before scaling; `beta`; `heads`, the normed o_t.
    """

    FUSED: ClassVar = {"qkv": ("query", "key", "value")}

    def __init__(self, config: HeadsConfig, layers: Layers):
        width, self.num_heads = config.width, config.num_heads
        self.qkv = layers.linear(width, 3 * width, bias=False)
        self.beta = layers.linear(width, self.num_heads, bias=False)
        self.head_norm = nnx.RMSNorm(width // self.num_heads, epsilon=1e-5, rngs=layers.rngs)
        self.out = layers.linear(width, width, bias=False)

    def __call__(
        self, x: Float[Array, "batch token width"], query_only: bool, sites: Sites
    ) -> Float[Array, "batch out width"]:
        parts = project_heads(self.qkv, x, self.num_heads, query_only, sites)
        q, k, v = map(to_heads, parts)
        raw_beta = to_heads(split_heads(self.beta(x), self.num_heads))
        beta = sites.site("beta", jax.nn.sigmoid(raw_beta.astype(jnp.float32)))
        out = _delta_rule(_unit(q), _unit(k), v, beta)
        return self.out(from_heads(self.head_norm(out), sites))


def _unit(x: Array) -> Array:
    square = jnp.sum(x.astype(jnp.float32) ** 2, axis=-1, keepdims=True)
    return (x * jax.lax.rsqrt(square + EPSILON)).astype(x.dtype)


def _delta_rule(
    q: Float[Array, "batch head out key"],
    k: Float[Array, "batch head token key"],
    v: Float[Array, "batch head token value"],
    beta: Float[Array, "batch head token 1"],
) -> Float[Array, "batch head out value"]:
    """Outputs of all tokens, or of the last alone if only its query is given; float32.

    A token writes w_t = beta_t (v_t - S_{t-1} k_t), which depends on what earlier tokens of the
    chunk wrote: w_t + beta_t sum_s (k_t . k_s) w_s = beta_t (v_t - S k_t), s < t, where S is the
    state before the chunk. This is a triangular system. States are transposed, [key, value].
    """
    queries = (q,) if q.shape == k.shape else ()

    def step(
        state: State | None, k: Array, v: Array, beta: Array, q: Array = q
    ) -> tuple[State, Array]:
        error = v if state is None else v - product(k, state)
        # The solver reads the matrix below its diagonal and takes the diagonal to be 1.
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
