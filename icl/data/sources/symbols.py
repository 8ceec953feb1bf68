"""Symbols: an exemplar is the number of its class."""

import jax.numpy as jnp
from jaxtyping import Array, Int

from icl.config.sources import MarkovSource, SymbolicSource
from icl.types import ExemplarMaker


def make_symbols(source: SymbolicSource | MarkovSource) -> ExemplarMaker:
    """Make items, int32 `[]`, with one exemplar of each class."""
    return ExemplarMaker(_number, source.num_classes, source.num_exemplars)


def _number(class_index: Int[Array, ""], exemplar_index: Int[Array, ""]) -> Int[Array, ""]:
    return class_index.astype(jnp.int32)
