"""What a network is asked while it trains: named conditions, and how its answers are scored."""

import math
import zlib
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from icl.config import DataConfig, EvaluationConfig
from icl.data.sequences import Family, FewShot, NoSupport
from icl.training import query_loss
from icl.types import IndexSequence, Sequence

# Sequences evaluated at a time: bounds memory, whatever the number asked for.
MAX_BATCH = 256


class Condition(NamedTuple):
    """A named test.

    family: what is drawn.
    chance: the accuracy, over all labels and among the labels in context, of an answer drawn
        uniformly from them.
    """

    family: Family
    chance: dict[str, float]


def _fewshot(data: DataConfig, evaluation: EvaluationConfig, holdout: bool) -> Condition:
    first = data.source.num_classes - data.num_holdout_classes
    pool = (first, data.num_holdout_classes) if holdout else None
    chance = {"accuracy": 1 / data.num_labels, "accuracy_in_context": 1 / evaluation.ways}
    return Condition(FewShot(evaluation.shots, evaluation.ways, pool), chance)


def _no_support(data: DataConfig, evaluation: EvaluationConfig) -> Condition:
    chance = {
        "accuracy": data.label_multiplicity / data.num_labels,
        "accuracy_in_context": 0.0,  # the right label is never in context
    }
    return Condition(NoSupport(data.context_len), chance)


CONDITIONS: dict[str, Callable[[DataConfig, EvaluationConfig], Condition]] = {
    "fewshot_holdout": lambda data, evaluation: _fewshot(data, evaluation, holdout=True),
    "fewshot_train": lambda data, evaluation: _fewshot(data, evaluation, holdout=False),
    "no_support": _no_support,
}


class Scores(NamedTuple):
    """Each answer's marks."""

    accuracy: Bool[Array, " batch"]
    accuracy_in_context: Bool[Array, " batch"]
    loss: Float[Array, " batch"]


def score(logits: Float[Array, "batch 1 label"], indices: IndexSequence) -> Scores:
    """Mark the most probable label of all, and the most probable of those in the context.

    Any label of the query's class is right where labels are the classes' own (Chan et al. 2022).
    """
    query_logits = logits[:, -1]
    context_labels, target = indices.labels[:, :-1], indices.labels[:, -1]
    context_logits = jnp.take_along_axis(query_logits, context_labels, axis=1)
    best = jnp.argmax(context_logits, axis=1, keepdims=True)
    answer_in_context = jnp.take_along_axis(context_labels, best, axis=1)[:, 0]

    def is_right(answer: Array) -> Array:
        return answer // indices.meanings == target // indices.meanings

    return Scores(
        is_right(jnp.argmax(query_logits, axis=1)),
        is_right(answer_in_context),
        query_loss(logits, indices.labels),
    )


def evaluate(
    key: Key[Array, ""],
    name: str,
    num_sequences: int,
    draw: Callable[[Key[Array, ""], int], tuple[IndexSequence, Sequence]],
    answer: Callable[[Sequence], Array],
) -> dict[str, Array]:
    """Means over fresh sequences, and their standard errors.

    key: of this evaluation; each condition, by its name, has its own.
    draw: (key, batch size) -> sequences as integers and as the network sees them.
    answer: sequences -> logits [batch, 1, label].
    """
    key = jax.random.fold_in(key, zlib.crc32(name.encode()))
    batch_size = min(num_sequences, MAX_BATCH)
    num_batches = math.ceil(num_sequences / batch_size)

    def one_batch(batch_key: Key[Array, ""]) -> Scores:
        indices, sequence = draw(batch_key, batch_size)
        return score(answer(sequence), indices)

    scores = jax.lax.map(one_batch, jax.random.split(key, num_batches))
    marks = {
        metric: values.reshape(-1)[:num_sequences].astype(jnp.float32)
        for metric, values in scores._asdict().items()
    }
    means = {metric: values.mean() for metric, values in marks.items()}
    errors = {
        f"{metric}_stderr": values.std() / math.sqrt(num_sequences)
        for metric, values in marks.items()
    }
    return means | errors
