"""Networks as two pure functions over plain nested dictionaries of arrays.

Only this file splits flax's module objects into arrays and puts them together again.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Key, Shaped

from icl.config.networks import NetworkConfig
from icl.models.frame import SequenceNetwork
from icl.models.layers import Data, Layers
from icl.models.matrices import Fused
from icl.models.mixers.find import find_mixer
from icl.models.sites import NO_EDITS, Edits, Sites
from icl.types import Aux, Sequence, Variables


class Network(NamedTuple):
    """A network without its numbers.

    init: key -> Variables. It can be jitted and vmapped over keys.
    apply: (variables, sequence, training=False, query_only=True, edits={}) -> (logits, aux).
        Logits are [batch, out, label], with out = 1 (the query) or all tokens. `aux` holds the
        value of every site, after its edit. With `training`, batch norm uses the batch's own
        statistics and `aux["state"]` is the new state.
        edits: functions from value to value, by site; see `icl.models.sites`. Raises ValueError
        for a site that the network does not have, and for an edit that changes shape or type.
    fused: see `icl.models.matrices`.
    """

    init: Callable[[Key[Array, ""]], Variables]
    apply: Callable[..., tuple[Array, Aux]]
    fused: Fused


def make_network(
    config: NetworkConfig,
    num_labels: int,
    examples: Shaped[np.ndarray, "example *shape"],
    num_classes: int,
) -> Network:
    """The network that a config describes.

    num_labels: size of the label table and of the readout.
    examples, num_classes: see `icl.models.layers.Data`.

    Raises UserError if the embedder cannot be fitted to the examples.
    """

    def build(key: Key[Array, ""]) -> nnx.Module:
        layers = Layers(nnx.Rngs(key), getattr(jnp, config.compute_dtype))
        return SequenceNetwork(config, num_labels, Data(examples, num_classes), layers)

    abstract = nnx.eval_shape(lambda: build(jax.random.key(0)))
    graph, abstract_params, abstract_state = nnx.split(abstract, nnx.Param, ...)

    def init(key: Key[Array, ""]) -> Variables:
        _, params, state = nnx.split(build(key), nnx.Param, ...)
        return Variables(nnx.to_pure_dict(params), nnx.to_pure_dict(state))

    def apply(
        variables: Variables,
        sequence: Sequence,
        training: bool = False,
        query_only: bool = True,
        edits: Edits = NO_EDITS,
    ) -> tuple[Array, Aux]:
        params = _with_values(abstract_params, variables.params)
        state = _with_values(abstract_state, variables.state)
        module = nnx.merge(graph, params, state)
        if training:
            module.train()
        else:
            module.eval()
        module.set_attributes(is_training=training, raise_if_not_found=False)
        sites = Sites(edits)
        logits = module(sequence, query_only, sites)
        sites.check()
        aux = sites.notes
        if training:
            aux["state"] = nnx.to_pure_dict(nnx.split(module, nnx.Param, ...)[2])
        return logits, aux

    return Network(init, apply, getattr(find_mixer(config.kind), "FUSED", {}))


def _with_values(abstract: nnx.State, values: dict) -> nnx.State:
    state = nnx.State(abstract)
    nnx.replace_by_pure_dict(state, values)
    return state
