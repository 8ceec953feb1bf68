"""Losses of sequences and of trials, in nats."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PyTree

from icl.config.parts import find
from icl.errors import UserError
from icl.training.optimizer import Rates
from icl.types import Sequence, Trials, Variables

Apply = Callable[..., tuple[Array, dict[str, Any]]]


# (a network's variables, a batch) -> the loss, and the variables that are not trained, after it.
Loss = Callable[[Variables, Any], tuple[Array, PyTree]]
# (logits [..., label], right labels [...]) -> the loss of each answer [...].
AnswerLoss = Callable[[Float[Array, "*answer label"], Int[Array, "*answer"]], Array]

cross_entropy: AnswerLoss = optax.softmax_cross_entropy_with_integer_labels
# By the name of `training.loss`, without those that are registered from outside.
LOSSES: dict[str, AnswerLoss] = {"cross_entropy": cross_entropy}


def answer_loss(name: str) -> AnswerLoss:
    """The loss of a name. It raises UserError where it does not give a number for each answer."""
    if name in LOSSES:
        return LOSSES[name]
    registered = find(LOSSES, "loss", name)

    def loss(logits: Float[Array, "*answer label"], labels: Int[Array, "*answer"]) -> Array:
        losses = jnp.asarray(registered(logits, labels))
        if losses.shape != labels.shape:
            raise UserError(
                f"training.loss = {name}: gives {list(losses.shape)} numbers for "
                f"{list(labels.shape)} answers; allowed: a number for each answer"
            )
        return losses

    return loss


def query_loss(
    logits: Float[Array, "batch 1 label"],
    labels: Int[Array, "batch item"],
    loss: AnswerLoss = cross_entropy,
) -> Float[Array, " batch"]:
    """The loss of the query's label; by default cross-entropy, in nats."""
    return loss(logits[:, -1], labels[:, -1])


def interim_loss(
    logits: Float[Array, "batch token label"],
    labels: Int[Array, "batch item"],
    loss: AnswerLoss = cross_entropy,
) -> Float[Array, " batch"]:
    """Mean loss of the context's labels, each predicted from its item and the tokens before it;
    by default cross-entropy, in nats."""
    return loss(logits[:, :-1:2], labels[:, :-1]).mean(axis=1)


def sequence_loss(apply: Apply, rates: Rates, name: str = "cross_entropy") -> Loss:
    """Make the loss of sequences: of the query, and of the context's items if weighted.

    name: as in `training.loss`.
    """
    of_answers = answer_loss(name)

    def loss(variables: Variables, sequence: Sequence) -> tuple[Array, PyTree]:
        if rates.interim_weight is None:
            logits, aux = apply(variables, sequence, training=True)
            return query_loss(logits, sequence.labels, of_answers).mean(), aux["state"]
        logits, aux = apply(variables, sequence, training=True, query_only=False)
        interim = interim_loss(logits, sequence.labels, of_answers)
        own = query_loss(logits[:, -1:], sequence.labels, of_answers)
        return (own + rates.interim_weight * (interim - own)).mean(), aux["state"]

    return loss


def task_loss(logits: Float[Array, "trial out output"], trials: Trials) -> Float[Array, " trial"]:
    """Weighted mean cross-entropy, in nats, over the steps with logits, the last of a trial."""
    count = logits.shape[1]
    targets, weights = trials.targets[:, -count:], trials.weights[:, -count:]
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, targets)
    return jnp.sum(losses * weights, axis=1) / jnp.sum(weights, axis=1)
