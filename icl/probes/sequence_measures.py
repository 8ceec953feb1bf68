"""How rich or lazy learning from sequences has been: measures of a network now and at its start.

Names of measures are those of tasks (`icl.probes.task_measures`) and of the records. What a task
measures of its recurrent matrix is here of all matrices of the mixers, which let tokens look at
earlier ones: attention, or recurrence.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from icl.probes.alignment import (
    kernel_alignment,
    kernel_target_alignment,
    participation_ratio,
    representation_alignment,
    representation_gram,
    sign_similarity,
    weight_change_norm,
)
from icl.probes.kernel import layer_kernels
from icl.types import Aux, Sequence, Variables

NUM_SEQUENCES = 64  # that measures are taken on
INPUT = ("embedder", "label_table")  # what blocks are fed by

Apply = Callable[[Variables, Sequence], tuple[Array, Aux]]  # of `icl.models.network.Network`


def measure_sequences(
    apply: Apply, variables: Variables, initial: Variables, sequences: Sequence
) -> dict[str, Float[Array, ""]]:
    """All measures, on one set of sequences.

    initial: at the start. Batch norm has running statistics at both times: the network as it is
        tested, and where these have moved, so has it.
    """

    def look(variables: Variables) -> tuple[Array, dict[str, Array]]:
        return query_states(apply, variables, sequences), kernels(apply, variables, sequences)

    # In a loop, so that a program of many conditions holds the network half as often.
    both = jax.tree.map(lambda *leaves: jnp.stack(leaves), variables, initial)
    (hidden, hidden_before), grams = jax.lax.map(look, both)
    now, before = ({name: gram[i] for name, gram in grams.items()} for i in (0, 1))
    alignments = kernel_alignment(now, before)
    return {
        "weight_change": weight_change_norm(
            mixers(variables.params, variables.params), mixers(initial.params, initial.params)
        ),
        "weight_change_all": weight_change_norm(variables.params, initial.params),
        "representation_alignment": representation_alignment(hidden, hidden_before),
        "representation_rank": participation_ratio(representation_gram(hidden)),
        "sign_similarity": sign_similarity(hidden, hidden_before),
        "kernel_alignment": alignments["mixers"],
        **{
            f"kernel_alignment_{part}": alignments[part]
            for part in ("input", "readout", "all")
            if part in alignments
        },
        "kernel_rank": participation_ratio(now["mixers"]),
        # Every right logit is to rise: the target of each output is 1.
        "kernel_target_alignment": kernel_target_alignment(
            now["mixers"], jnp.ones(len(now["mixers"]))
        ),
    }


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
        "mixers": mixers(variables.params, of_layers),
        "input": _matrices_of(variables.params, of_layers, lambda path: path[0] in INPUT),
        "readout": _matrices_of(variables.params, of_layers, lambda path: path[0] == "readout"),
        "all": of_layers,
    }
    return {name: _total(grams) for name, grams in parts.items() if jax.tree.leaves(grams)}


def _total(grams: PyTree) -> Array:
    return jnp.sum(jnp.stack(jax.tree.leaves(grams)), axis=0)
