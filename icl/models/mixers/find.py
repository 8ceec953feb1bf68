"""How tokens are mixed: what tells one kind of network from another.

Each kind in `icl.config.networks.NETWORKS` is a module here of that name, with a class `Mixer`
that is made from (its config, `icl.models.layers.Layers`) and called with (x, query_only): from
[batch, token, width] to ([batch, out, width], notes), where no output may depend on a later
token. With `query_only` the output is that of the last token alone: same numbers, less work.
Notes are intermediates by name, each [batch, ...].

A layer whose kernel holds several matrices side by side is named in the class's `FUSED`, with the
names of its parts, so that each can be found as a matrix of its own.
"""

from importlib import import_module

from flax import nnx


def find_mixer(kind: str) -> type[nnx.Module]:
    """The class of a kind of network."""
    return import_module(f"icl.models.mixers.{kind}").Mixer
