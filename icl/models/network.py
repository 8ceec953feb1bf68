"""Networks: two pure functions over plain nested dictionaries of arrays.

The only place where flax's module objects are split into arrays and put together again.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Key, Shaped

from icl.config.networks import Model
from icl.models.frame import SequenceNetwork
from icl.models.layers import Layers
from icl.models.matrices import Fused
from icl.models.mixers.find import find_mixer
from icl.types import Aux, Sequence, Variables


class Network(NamedTuple):
    """A network without its numbers.

    init: key -> Variables, jittable and vmappable over keys.
    apply: (variables, sequence, training=False, query_only=True) -> (logits, aux). Logits are
        of shape [batch, out, label], with out = 1 (the query) or all tokens. With `training`,
        batch norm uses the batch's own statistics and `aux["state"]` is the new state.
    fused: see `icl.models.matrices`.
    """

    init: Callable[[Key[Array, ""]], Variables]
    apply: Callable[..., tuple[Array, Aux]]
    fused: Fused


def make_network(
    config: Model,
    num_labels: int,
    examples: Shaped[np.ndarray, "example *shape"],
    num_classes: int,
) -> Network:
    """The network that a config describes.

    num_labels: size of the label table and of the readout.
    examples: training exemplars; they give the shape, and fit embedders fixed in advance.
    num_classes: of the exemplars; where these are symbols, they are the numbers below it.

    Raises UserError where the embedder cannot be fitted to the examples.
    """

    def build(key: Key[Array, ""]) -> nnx.Module:
        make = Layers(nnx.Rngs(key), getattr(jnp, config.compute_dtype))
        return SequenceNetwork(config, num_labels, examples, num_classes, make)

    abstract = nnx.eval_shape(lambda: build(jax.random.key(0)))
    graph, abstract_params, abstract_state = nnx.split(abstract, nnx.Param, ...)

    def init(key: Key[Array, ""]) -> Variables:
        _, params, state = nnx.split(build(key), nnx.Param, ...)
        return Variables(nnx.to_pure_dict(params), nnx.to_pure_dict(state))

    def apply(
        variables: Variables, sequence: Sequence, training: bool = False, query_only: bool = True
    ) -> tuple[Array, Aux]:
        params = _with_values(abstract_params, variables.params)
        state = _with_values(abstract_state, variables.state)
        module = nnx.merge(graph, params, state)
        if training:
            module.train()
        else:
            module.eval()
        module.set_attributes(is_training=training, raise_if_not_found=False)
        logits, aux = module(sequence, query_only)
        if training:
            aux["state"] = nnx.to_pure_dict(nnx.split(module, nnx.Param, ...)[2])
        return logits, aux

    return Network(init, apply, getattr(find_mixer(config.kind), "FUSED", {}))


def _with_values(abstract: nnx.State, values: dict) -> nnx.State:
    state = nnx.State(abstract)
    nnx.replace_by_pure_dict(state, values)
    return state
