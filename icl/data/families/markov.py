"""Paths of Markov chains: what follows a symbol must be counted in the context, or be known.

After Edelman et al. 2024 (a new chain for each sequence) and Park et al. 2024 (a fixed set).
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, UInt32

from icl.data.bits import RandomBits, uniform_below
from icl.types import IndexSequence, Knobs


@dataclass(frozen=True)
class Markov:
    """A path s_0 .. s_T+1 of one chain: pairs (s_t, s_t+1), then s_T, of which s_T+1 is asked.

    The first symbol is uniform. A chain is a function of its number and the seed alone, so it
    needs no memory, however many there are.

    concentration: of the symmetric Dirichlet distribution of each row.
    num_chains: chains to draw from, uniformly; None: one that no other sequence has.
    """

    context_len: int
    num_symbols: int
    concentration: float
    seed: int
    num_chains: int | None = None

    def __call__(self, bits: RandomBits, knobs: Knobs) -> IndexSequence:
        chain = bits.take(2)
        if self.num_chains is not None:
            chain = jnp.stack([jnp.uint32(self.seed), uniform_below(chain[0], self.num_chains)])
        cumulative = jnp.cumsum(transition_matrix(chain, self.num_symbols, self.concentration), 1)
        first = uniform_below(bits.take(), self.num_symbols).astype(jnp.int32)
        uniforms = (bits.take(self.context_len + 1) >> 8).astype(jnp.float32) / 2**24

        def step(symbol: Array, uniform: Array) -> tuple[Array, Array]:
            after = jnp.sum(cumulative[symbol] <= uniform, dtype=jnp.int32)
            after = jnp.minimum(after, self.num_symbols - 1)
            return after, after

        _, later = jax.lax.scan(step, first, uniforms)
        return IndexSequence(
            jnp.concatenate([first[None], later[:-1]]),
            jnp.zeros_like(later),
            later,
            jnp.int32(1),
            jnp.int32(0),
        )


def transition_matrix(
    chain: UInt32[Array, "2"], num_symbols: int, concentration: float
) -> Float[Array, "symbol next"]:
    """Rows are Dirichlet(concentration, ..., concentration), a function of two numbers."""
    key: Key[Array, ""] = jax.random.wrap_key_data(chain, impl="threefry2x32")
    alpha = jnp.full((num_symbols, num_symbols), concentration)
    # In logarithms: with small concentrations all but one of a row's gammas may round to zero.
    logs = jax.random.loggamma(key, alpha)
    return jax.nn.softmax(logs, axis=1)
