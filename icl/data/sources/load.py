"""The table of sources: a function for each kind makes a bank or a maker from its config."""

from collections.abc import Callable

from icl.config.sources import Source
from icl.data.sources.features import load_features
from icl.data.sources.gaussian import make_gaussian
from icl.data.sources.glyphs import load_glyphs
from icl.data.sources.omniglot import load_omniglot
from icl.data.sources.symbols import make_symbols
from icl.types import ExemplarBank, ExemplarMaker

SOURCES: dict[str, Callable[..., ExemplarBank | ExemplarMaker]] = {
    "omniglot": load_omniglot,
    "glyphs": load_glyphs,
    "gaussian": make_gaussian,
    "symbolic": make_symbols,
    "features": load_features,
    "markov": make_symbols,
}


def load_exemplars(source: Source) -> ExemplarBank | ExemplarMaker:
    """Load or make the exemplars of a source, from the cache on disk where they are kept.

    Raises UserError where the source's files are missing or broken.
    """
    return SOURCES[source.kind](source)
