"""Paths of Markov chains: a network counts transitions in the context, or knows the chain.

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
    """A path s_0 .. s_T+1 of one chain: pairs (s_t, s_t+1), then the query s_T with label s_T+1.

    The first symbol is uniform. A chain is a function of its number and the seed alone, so that
    any number of chains takes no memory.

    concentration: parameter of the symmetric Dirichlet distribution of each row.
    num_chains: number of chains, drawn from uniformly; None: a new chain for each sequence.
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
    """A matrix with rows from Dirichlet(concentration, ...), a function of the two numbers.

    chain: the seed and the chain's number, or two random integers.
    """
    key: Key[Array, ""] = jax.random.wrap_key_data(chain, impl="threefry2x32")
    alpha = jnp.full((num_symbols, num_symbols), concentration)
    # In logarithms, because with small concentrations most gammas of a row may round to zero.
    logs = jax.random.loggamma(key, alpha)
    return jax.nn.softmax(logs, axis=1)
