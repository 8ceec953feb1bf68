"""Where exemplars come from: one function for each source, `config -> ExemplarBank`."""

from collections.abc import Callable

import numpy as np

from icl.config import Source
from icl.data.exemplars.glyphs import load_glyphs
from icl.data.exemplars.omniglot import load_omniglot
from icl.types import ExemplarBank

SOURCES: dict[str, Callable[..., ExemplarBank]] = {
    "omniglot": load_omniglot,
    "glyphs": load_glyphs,
}


def load_exemplars(source: Source) -> ExemplarBank:
    """The exemplars of a source, from the cache on disk where they were made before."""
    return SOURCES[source.kind](source)


def shuffle_classes(bank: ExemplarBank, split_seed: int) -> ExemplarBank:
    """The same bank with its classes in the fixed random order that all splits are taken from.

    Training classes are then the first `num_classes`, held-out ones the last
    `num_holdout_classes`, so neither moves when the other's number changes (Chan et al. 2022).
    """
    order = np.random.default_rng(split_seed).permutation(len(bank.exemplars))
    return ExemplarBank(bank.exemplars[order], tuple(bank.names[i] for i in order))
