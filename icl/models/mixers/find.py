"""Mixers let tokens look at earlier ones. They are the only part in which networks differ.

Each kind in `icl.config.networks.NETWORKS` is a module here of the same name, with a class `Mixer`.
A mixer is made from (its config, `icl.models.layers.Layers`). A call (x, query_only, sites) maps
x, [batch, token, width], to [batch, out, width]; no output may depend on a later token. With
`query_only` the output is that of the last token alone: the same numbers with less work. Every
value worth reading or editing passes through `sites.site(name, value)`, see `icl.models.sites`;
its first axis is the batch.

The class's `FUSED` names the layers whose kernels hold several matrices side by side, and their
parts, so that each part can be found as a matrix of its own.
"""

from importlib import import_module

from flax import nnx

from icl.config.parts import PARTS


def find_mixer(kind: str) -> type[nnx.Module]:
    """The mixer class of a kind of network: built in, or registered from outside."""
    found: type[nnx.Module]
    if kind in PARTS["network"]:
        found = PARTS["network"][kind].load()
    else:
        found = import_module(f"{__package__}.{kind}").Mixer
    return found
