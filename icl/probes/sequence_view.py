"""View of a network that learns from sequences, for probes.

Measures that use the recurrent matrix of a task network here use all matrices of the mixers
(attention or recurrence), which let tokens look at earlier ones.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from icl.probes.tangent_kernel import layer_kernels
from icl.probes.view import View
from icl.types import Aux, IndexSequence, Sequence, Variables

NUM_SEQUENCES = 64  # seen by probes
INPUT = ("embedder", "label_table")  # modules before the blocks

Apply = Callable[[Variables, Sequence], tuple[Array, Aux]]  # as `icl.models.network.Network.apply`


def sequence_view(
    apply: Apply,
    variables: Variables,
    initial: Variables,
    indices: IndexSequence,
    sequences: Sequence,
) -> View:
    """View of a network on one set of sequences.

    initial: variables at the start. Batch norm uses its running statistics at both times, as in
        evaluation: a change of these statistics is a change of the network.
    """

    def twice(look: Callable[[Variables], Any]) -> tuple[Any, Any]:
        # A loop halves how often a program of many conditions holds the network.
        both = jax.tree.map(lambda *leaves: jnp.stack(leaves), variables, initial)
        found = jax.lax.map(look, both)
        now, before = (jax.tree.map(lambda array, i=i: array[i], found) for i in (0, 1))
        return now, before

    return View(
        apply=apply,
        variables=variables,
        initial=initial,
        inputs=sequences,
        indices=indices,
        twice=twice,
        mixing=lambda params: mixers(params, params),
        hidden=lambda variables: query_states(apply, variables, sequences),
        kernels=lambda variables: kernels(apply, variables, sequences),
        # Every correct logit should rise: the target of each output is 1.
        targets=jnp.ones(len(sequences.labels)),
    )


def mixers(params: dict[str, Any], tree: PyTree) -> list[Array]:
    """Leaves of `tree`, structured as `params`, that belong to matrices of mixers.

    Biases are excluded: the key bias changes no attention, yet Adam moves it by the rounding
    error of its gradient.
    """
    return _matrices_of(params, tree, lambda path: "mixer" in path)


def _matrices_of(
    params: dict[str, Any], tree: PyTree, is_meant: Callable[[list[str]], bool]
) -> list[Array]:
    """Leaves of `tree`, structured as `params`, that belong to matrices with such paths."""
    leaves = zip(jax.tree_util.tree_leaves_with_path(params), jax.tree.leaves(tree), strict=True)
    return [
        leaf
        for (path, weights), leaf in leaves
        if weights.ndim >= 2 and is_meant([part.key for part in path])
    ]


def query_states(
    apply: Apply, variables: Variables, sequences: Sequence
) -> Float[Array, "sequence width"]:
    """Outputs of the last block at the query, before the last norm and the readout."""
    aux = apply(variables, sequences)[1]
    num_blocks = sum(name.startswith("block") and name.endswith("/out") for name in aux)
    return aux[f"block{num_blocks - 1}/out"][:, -1]


def right_logit(apply: Apply, variables: Variables, sequence: Sequence) -> Float[Array, ""]:
    """Logit of the correct label of one query, less the mean of all logits.

    sequence: one sequence, without a batch axis.
    """
    logits = apply(variables, jax.tree.map(lambda array: array[None], sequence))[0][0, -1]
    return logits[sequence.labels[-1]] - logits.mean()


def kernels(
    apply: Apply, variables: Variables, sequences: Sequence
) -> dict[str, Float[Array, "sequence sequence"]]:
    """Tangent kernels of `right_logit` by part: the matrices of mixers, those before and after all
    blocks if there are any (embedder and label table; readout), and all trained weights.

    Each sequence has one output, not one for each label: that kernel would have sequences x labels
    rows, nearly all for labels that no sequence asks for. The output is the product of the logits
    with the one-hot target less its mean, so the kernel is the full kernel between these
    directions, one for each sequence. The mean is subtracted because raising all logits equally
    changes no probability.
    """

    def output(params: dict[str, Any], sequence: Sequence) -> Array:
        return right_logit(apply, variables._replace(params=params), sequence)

    of_layers = layer_kernels(output, variables.params, sequences)
    parts = {
        "mixing": mixers(variables.params, of_layers),
        "input": _matrices_of(variables.params, of_layers, lambda path: path[0] in INPUT),
        "readout": _matrices_of(variables.params, of_layers, lambda path: path[0] == "readout"),
        "all": of_layers,
    }
    return {name: _total(grams) for name, grams in parts.items() if jax.tree.leaves(grams)}


def _total(grams: PyTree) -> Array:
    return jnp.sum(jnp.stack(jax.tree.leaves(grams)), axis=0)
