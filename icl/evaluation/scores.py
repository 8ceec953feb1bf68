"""Scores of a network's answers: marks of each sequence, and means over fresh sequences."""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from icl.data.bits import start_of_part
from icl.training.losses import query_loss, task_loss
from icl.types import IndexSequence, Knobs, Masked, Sequence, Trials

# Sequences evaluated at a time, which bounds memory.
MAX_BATCH = 256
NUM_STRATA = 10  # deciles of training classes by frequency


class Scores(NamedTuple):
    """Marks of each answer; `_chance` is the expected mark of an answer drawn uniformly.

    accuracy: over all labels. accuracy_in_context: of the best label in the context.
    loss: in nats. answers_in_context, answers_common, answers_rare: whether the answer over all
    labels is one in the context, and a label of a common or a rare training class. The last two
    are None where classes share meanings, so that a label is not of one class alone.
    """

    accuracy: Float[Array, " batch"]
    accuracy_chance: Float[Array, " batch"]
    accuracy_in_context: Float[Array, " batch"]
    accuracy_in_context_chance: Float[Array, " batch"]
    loss: Float[Array, " batch"]
    answers_in_context: Float[Array, " batch"]
    answers_common: Float[Array, " batch"] | None
    answers_rare: Float[Array, " batch"] | None


# Marks whose mean has a standard error in records.
WITH_ERRORS = ("accuracy", "accuracy_in_context", "loss")


def score(logits: Float[Array, "batch 1 label"], indices: IndexSequence, knobs: Knobs) -> Scores:
    """Mark the most probable label of all, and the most probable label in the context.

    Where labels are the classes' own, any label of the query's class is right (Chan et al. 2022).
    """
    query_logits = logits[:, -1]
    context_labels, target = indices.labels[:, :-1], indices.labels[:, -1]
    context_logits = jnp.take_along_axis(query_logits, context_labels, axis=1)
    best = jnp.argmax(context_logits, axis=1, keepdims=True)
    answer_in_context = jnp.take_along_axis(context_labels, best, axis=1)[:, 0]
    answer = jnp.argmax(query_logits, axis=1).astype(jnp.int32)
    synonyms = indices.synonyms

    def is_right(answer: Array) -> Array:
        return answer // synonyms == target // synonyms

    context_is_right = is_right(context_labels.T).T
    is_common, is_rare = _frequency(answer, knobs)
    marks = Scores(
        accuracy=is_right(answer),
        accuracy_chance=synonyms / query_logits.shape[1],
        accuracy_in_context=is_right(answer_in_context),
        accuracy_in_context_chance=_share_of_different(context_labels, context_is_right),
        loss=query_loss(logits, indices.labels),
        answers_in_context=jnp.any(context_labels == answer[:, None], axis=1),
        answers_common=is_common,
        answers_rare=is_rare,
    )
    return jax.tree.map(lambda mark: mark.astype(jnp.float32), marks)


def _share_of_different(
    labels: Int[Array, "batch context"], is_right: Bool[Array, "batch context"]
) -> Float[Array, " batch"]:
    """The share of right labels among the different labels of a context."""
    index = jnp.arange(labels.shape[1])
    is_repeat = (labels[:, None] == labels[:, :, None]) & (index[None] < index[:, None])
    is_first = ~jnp.any(is_repeat, axis=2)
    return jnp.sum(is_first & is_right, axis=1) / jnp.sum(is_first, axis=1)


def _frequency(
    answer: Int[Array, " batch"], knobs: Knobs
) -> tuple[Array, Array] | tuple[None, None]:
    """Whether an answer is a label of a common, and of a rare, training class; see `Scores`."""
    if knobs.num_meanings is not None or knobs.drift_rate is not None:
        return None, None
    meaning = answer // knobs.label_multiplicity
    is_trained = meaning < knobs.num_classes
    is_common = knobs.num_classes - 1 - meaning < knobs.pools["common"].size
    return is_trained & is_common, is_trained & ~is_common


def evaluate(
    key: Key[Array, ""],
    num_sequences: int,
    draw: Callable[[Key[Array, ""], int], tuple[IndexSequence, Sequence]],
    answer: Callable[[Sequence], Array],
    knobs: Knobs,
) -> dict[str, Array | Masked]:
    """Means over fresh sequences, and their standard errors.

    `accuracy_by_frequency` is the accuracy over all labels for queries of each tenth of the
    training classes, commonest first; undefined for a tenth without a query. Means of marks that
    are None are undefined.

    key: for this evaluation of this condition.
    draw: (key, batch size) -> sequences as integers, and as the network sees them.
    answer: sequences -> logits [batch, 1, label].
    """
    batch_size = min(num_sequences, MAX_BATCH)
    num_batches = math.ceil(num_sequences / batch_size)

    def one_batch(batch_key: Key[Array, ""]) -> tuple[Scores, Array]:
        indices, sequence = draw(batch_key, batch_size)
        return score(answer(sequence), indices, knobs), indices.classes[:, -1]

    scores, classes = jax.lax.map(one_batch, jax.random.split(key, num_batches))
    scores, classes = jax.tree.map(
        lambda values: values.reshape(-1)[:num_sequences], (scores, classes)
    )
    marks = scores._asdict()
    undefined = Masked(jnp.float32(0), jnp.bool(False))
    means = {
        metric: undefined if values is None else values.mean() for metric, values in marks.items()
    }
    errors = {
        f"{metric}_stderr": marks[metric].std() / math.sqrt(num_sequences) for metric in WITH_ERRORS
    }
    return means | errors | {"accuracy_by_frequency": _by_frequency(scores, classes, knobs)}


def _by_frequency(scores: Scores, classes: Int[Array, " sequence"], knobs: Knobs) -> Masked:
    """Accuracy for each tenth of the training classes; queries of other classes do not count."""
    bounds = start_of_part(jnp.arange(NUM_STRATA + 1), NUM_STRATA, knobs.num_classes)
    belongs = (classes >= bounds[:-1, None]) & (classes < bounds[1:, None])
    num_right, count = jnp.sum(belongs * scores.accuracy, axis=1), jnp.sum(belongs, axis=1)
    return Masked(num_right / jnp.maximum(count, 1), count > 0)


def score_trials(
    logits: Float[Array, "trial out output"], trials: Trials, num_choices: int
) -> dict[str, Float[Array, ""]]:
    """Accuracy of the answer at the last step and the loss, each with its standard error.

    `accuracy_chance` is that of a guess among the choices of the task, `accuracy_chance_all` that
    of a guess among all outputs of the network, to fixate included.
    """
    is_right = (jnp.argmax(logits[:, -1], axis=1) == trials.targets[:, -1]).astype(jnp.float32)
    losses = task_loss(logits, trials)
    root = math.sqrt(len(losses))
    return {
        "accuracy": is_right.mean(),
        "accuracy_stderr": is_right.std() / root,
        "accuracy_chance": jnp.float32(1 / num_choices),
        "accuracy_chance_all": jnp.float32(1 / logits.shape[-1]),
        "loss": losses.mean(),
        "loss_stderr": losses.std() / root,
    }
