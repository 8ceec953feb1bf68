"""What probes look at where a network learns from sequences.

What a task measures of its recurrent matrix is here of all matrices of the mixers, which let tokens
look at earlier ones: attention, or recurrence.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from icl.probes.tangent_kernel import layer_kernels
from icl.probes.view import View
from icl.types import Aux, IndexSequence, Sequence, Variables

NUM_SEQUENCES = 64  # that probes look at
INPUT = ("embedder", "label_table")  # what blocks are fed by

Apply = Callable[[Variables, Sequence], tuple[Array, Aux]]  # of `icl.models.network.Network`


def sequence_view(
    apply: Apply,
    variables: Variables,
    initial: Variables,
    indices: IndexSequence,
    sequences: Sequence,
) -> View:
    """A network on one set of sequences.

    initial: at the start. Batch norm has running statistics at both times: the network as it is
        tested, and where these have moved, so has it.
    """

    def twice(look: Callable[[Variables], Any]) -> tuple[Any, Any]:
        # In a loop, so that a program of many conditions holds the network half as often.
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
        # Every right logit is to rise: the target of each output is 1.
        targets=jnp.ones(len(sequences.labels)),
    )


def mixers(params: dict[str, Any], tree: PyTree) -> list[Array]:
    """What a tree of the form of `params` has for matrices of mixers.

    Not for their biases, one of which, that of keys, changes no attention: Adam moves it all the
    same, by what rounding leaves of its gradient.
    """
    return _matrices_of(params, tree, lambda path: "mixer" in path)


def _matrices_of(
    params: dict[str, Any], tree: PyTree, is_meant: Callable[[list[str]], bool]
) -> list[Array]:
    """What a tree of the form of `params` has for the matrices whose paths are meant."""
    leaves = zip(jax.tree_util.tree_leaves_with_path(params), jax.tree.leaves(tree), strict=True)
    return [
        leaf
        for (path, weights), leaf in leaves
        if weights.ndim >= 2 and is_meant([part.key for part in path])
    ]


def query_states(
    apply: Apply, variables: Variables, sequences: Sequence
) -> Float[Array, "sequence width"]:
    """What the last block leaves at the query, before the last norm and the readout."""
    aux = apply(variables, sequences)[1]
    num_blocks = sum(name.startswith("block") and name.endswith("/out") for name in aux)
    return aux[f"block{num_blocks - 1}/out"][:, -1]


def right_logit(apply: Apply, variables: Variables, sequence: Sequence) -> Float[Array, ""]:
    """The logit of the right label of one query, less the mean of all logits.

    sequence: without a batch axis.
    """
    logits = apply(variables, jax.tree.map(lambda array: array[None], sequence))[0][0, -1]
    return logits[sequence.labels[-1]] - logits.mean()


def kernels(
    apply: Apply, variables: Variables, sequences: Sequence
) -> dict[str, Float[Array, "sequence sequence"]]:
    """Tangent kernels of `right_logit`: of the matrices of mixers, of those before and after all
    blocks where there are any (embedder and label table; readout), and of all trained weights.

    One output for each sequence, where there are as many logits as labels: their kernel would be
    [sequence * label] a side, and nearly all of it of labels that no sequence asks for. The
    output is the product of the logits with the one-hot target less its mean, so the kernel is the
    whole one between these directions, one of each sequence. The mean is taken off because what
    raises all logits alike changes no probability.
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
