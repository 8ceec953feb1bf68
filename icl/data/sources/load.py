"""The table of sources: a function for each kind makes a bank or a maker from its config."""

from collections.abc import Callable
from typing import Any

from icl.config.parts import find
from icl.config.sources import AnySource
from icl.data.sources.features import load_features
from icl.data.sources.gaussian import make_gaussian
from icl.data.sources.glyphs import load_glyphs
from icl.data.sources.omniglot import load_omniglot
from icl.data.sources.symbols import make_symbols
from icl.errors import UserError
from icl.types import ExemplarBank, ExemplarMaker

SOURCES: dict[str, Callable[..., ExemplarBank | ExemplarMaker]] = {
    "omniglot": load_omniglot,
    "glyphs": load_glyphs,
    "gaussian": make_gaussian,
    "symbolic": make_symbols,
    "features": load_features,
    "markov": make_symbols,
}


def load_exemplars(source: AnySource) -> ExemplarBank | ExemplarMaker:
    """Load or make the exemplars of a source, from the cache on disk where they are kept.

    Raises UserError where the source's files are missing or broken, and where a registered source
    gives something other than its settings say.
    """
    loaded = find(SOURCES, "source", source.kind)(source)
    if source.kind not in SOURCES:
        _check(source, loaded)
    return loaded


def _check(source: AnySource, loaded: Any) -> None:
    """Compare what a registered source gives with its settings: no look-up may miss the bank."""
    name, shape = f"data.source.kind = {source.kind}", source.shape
    if isinstance(loaded, ExemplarBank):
        num_classes, num_exemplars, *sizes = loaded.exemplars.shape
        shape = tuple(sizes)
    elif isinstance(loaded, ExemplarMaker):
        num_classes, num_exemplars = loaded.num_classes, loaded.num_exemplars
    else:
        raise UserError(
            f"{name}: gives a {type(loaded).__name__}; allowed: an ExemplarBank or ExemplarMaker"
        )
    for what, given, said in (
        ("num_classes", num_classes, source.num_classes),
        ("num_exemplars", num_exemplars, source.num_exemplars),
        ("shape", shape, source.shape),
    ):
        if said is not None and given != said:
            raise UserError(f"{name}: gives {what} {given}; allowed: {said}, as its settings say")
