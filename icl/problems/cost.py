"""Costs of a network, counted in its traced program: parameters, operations, memory.

Nothing is compiled or run, so the largest network takes seconds.
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core
from jaxtyping import PyTree, Shaped

from icl.config import ExperimentConfig
from icl.models.network import Network, make_network
from icl.training.losses import Apply, query_loss
from icl.types import Sequence, Variables


def network_costs(
    config: ExperimentConfig, examples: Shaped[np.ndarray, "example *shape"]
) -> dict[str, Any]:
    """Costs of the network of a config, for one training sequence.

    examples: examples of training classes. They give the shape, and fixed embedders are fitted to
        them.

    Raises UserError if the embedder cannot be fitted to them.
    """
    network, variables = _trace(config, examples)
    items = config.data.context_len + 1
    dtype = jnp.float32 if examples.ndim > 1 else jnp.int32
    sequence = jax.eval_shape(
        lambda: Sequence(
            jnp.zeros((1, items, *examples.shape[1:]), dtype),
            jnp.zeros((1, items), jnp.int32),
            jnp.zeros(1, jnp.uint32),
        )
    )
    counts = count_parameters(variables.params)
    training_flops, memory = training_cost(network.apply, variables, sequence)
    return {
        "num_parameters": {"total": sum(counts.values()), **counts},
        "flops_per_sequence": forward_flops(network.apply, variables, sequence),
        "training_flops_per_sequence": training_flops,
        "memory_per_sequence_bytes": memory,
    }


def num_parameters(config: ExperimentConfig, examples: Shaped[np.ndarray, "example *shape"]) -> int:
    """Number of trained parameters; faster than `network_costs`."""
    return _size(_trace(config, examples)[1].params)


def _trace(config: ExperimentConfig, examples: np.ndarray) -> tuple[Network, Variables]:
    data = config.data
    # If exemplars are symbols, each is the number of its class.
    num_classes = (data.source.num_classes or 1) * data.classes_per_source_class
    network = make_network(config.model, data.num_labels, examples, num_classes)
    return network, jax.eval_shape(network.init, jax.random.key(0))


def count_parameters(params: dict[str, Any]) -> dict[str, int]:
    """Trained parameters by part of the network.

    A part is a top-level name. Names that differ only in a final number, such as the blocks of a
    transformer, are counted together and split into their own parts: "block.attention".
    """
    parts: dict[str, int] = defaultdict(int)
    for name, branch in params.items():
        stem = re.sub(r"\d+$", "", name)
        inside = branch.items() if stem != name and isinstance(branch, dict) else [("", branch)]
        for inner, leaves in inside:
            parts[".".join(filter(None, (stem, inner)))] += _size(leaves)
    return dict(parts)


def _size(leaves: PyTree) -> int:
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(leaves))


def forward_flops(apply: Apply, variables: Variables, sequence: Sequence) -> int:
    """Floating-point operations of the logits of a batch; see `count_flops`.

    variables, sequence: arrays, or only their shapes and types.
    """
    return count_flops(jax.make_jaxpr(lambda v, s: apply(v, s)[0])(variables, sequence).jaxpr)


def training_cost(apply: Apply, variables: Variables, sequence: Sequence) -> tuple[int, int]:
    """Operations of the loss and its gradient, and bytes kept from the forward for the backward.

    The bytes are those that differentiation keeps; a compiler may keep less and recompute the rest.
    The sequences are counted. Values that depend on the parameters only, above all the parameters,
    are held once for any number of sequences, and are not counted.
    """

    def step(variables: Variables, sequence: Sequence) -> tuple[PyTree, list[Any]]:
        def loss(params: dict[str, Any]) -> jax.Array:
            logits = apply(Variables(params, variables.state), sequence, training=True)[0]
            return query_loss(logits, sequence.labels).mean()

        value, backward = jax.vjp(loss, variables.params)
        kept = [leaf for leaf in jax.tree.leaves(backward) if hasattr(leaf, "shape")]
        return (value, backward(jnp.ones(()))), kept

    closed, shapes = jax.make_jaxpr(step, return_shape=True)(variables, sequence)
    num_kept = len(shapes[1])
    depends = _depending(closed.jaxpr, len(jax.tree.leaves(variables)))
    kept = closed.jaxpr.outvars[len(closed.jaxpr.outvars) - num_kept :]
    of_sequences = {id(v): _bytes(v.aval) for v in kept if id(v) in depends}
    of_sequences |= {id(v): _bytes(v.aval) for v in closed.jaxpr.invars if id(v) in depends}
    return count_flops(closed.jaxpr), sum(of_sequences.values())


def _bytes(array: Any) -> int:
    return math.prod(array.shape) * array.dtype.itemsize


def _depending(jaxpr: core.Jaxpr, num_constant: int) -> set[int]:
    """Ids of the variables that depend on inputs after the first `num_constant`."""
    depends = {id(v) for v in jaxpr.invars[num_constant:]}
    for equation in jaxpr.eqns:
        if any(id(v) in depends for v in equation.invars):
            depends |= {id(v) for v in equation.outvars}
    return depends


def count_flops(jaxpr: core.Jaxpr) -> int:
    """Operations of matrix products and convolutions, 2 for a multiply-add; others count as 0.

    The body of a scan counts as often as it runs, the most expensive of several branches counts,
    and a loop of unknown length counts once.
    """
    total = 0
    for equation in jaxpr.eqns:
        inner = [count_flops(part) for part in programs_inside(equation.params)]
        match equation.primitive.name:
            case "dot_general":
                total += _dot_flops(equation)
            case "conv_general_dilated":
                total += _convolution_flops(equation)
            case "cond":
                total += max(inner)
            case "scan":
                total += equation.params["length"] * sum(inner)
            case _:
                total += sum(inner)
    return total


def programs_inside(params: dict[str, Any]) -> Iterator[core.Jaxpr]:
    """Yield the programs that an operation runs."""
    for value in params.values():
        for part in value if isinstance(value, tuple | list) else (value,):
            if isinstance(part, core.ClosedJaxpr):
                yield part.jaxpr
            elif isinstance(part, core.Jaxpr):
                yield part


def _dot_flops(equation: Any) -> int:
    (contracted, _), _ = equation.params["dimension_numbers"]
    left = equation.invars[0].aval.shape
    return 2 * math.prod(equation.outvars[0].aval.shape) * math.prod(left[i] for i in contracted)


def _convolution_flops(equation: Any) -> int:
    """Operations of a convolution. Zeros around an image count; zeros between pixels do not."""
    kernel = equation.invars[1].aval.shape
    out_channels = kernel[equation.params["dimension_numbers"].rhs_spec[0]]
    summed = math.prod(kernel) // out_channels
    between = math.prod(equation.params["lhs_dilation"])
    return 2 * math.prod(equation.outvars[0].aval.shape) * summed // between
