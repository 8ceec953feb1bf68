"""Losses of sequences and of trials, in nats."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PyTree

from icl.training.optimizer import Rates
from icl.types import Sequence, Trials, Variables

Apply = Callable[..., tuple[Array, dict[str, Any]]]


# (a network's variables, a batch) -> the loss, and the variables that are not trained, after it.
Loss = Callable[[Variables, Any], tuple[Array, PyTree]]


def query_loss(
    logits: Float[Array, "batch 1 label"], labels: Int[Array, "batch item"]
) -> Float[Array, " batch"]:
    """Cross-entropy, in nats, of the query's label."""
    return optax.softmax_cross_entropy_with_integer_labels(logits[:, -1], labels[:, -1])


def interim_loss(
    logits: Float[Array, "batch token label"], labels: Int[Array, "batch item"]
) -> Float[Array, " batch"]:
    """Mean cross-entropy, in nats, of the context's labels, each predicted from its item and the
    tokens before it."""
    of_items = logits[:, :-1:2]
    losses = optax.softmax_cross_entropy_with_integer_labels(of_items, labels[:, :-1])
    return losses.mean(axis=1)


def sequence_loss(apply: Apply, rates: Rates) -> Loss:
    """Make the loss of sequences: of the query, and of the context's items if weighted."""

    def loss(variables: Variables, sequence: Sequence) -> tuple[Array, PyTree]:
        if rates.interim_weight is None:
            logits, aux = apply(variables, sequence, training=True)
            return query_loss(logits, sequence.labels).mean(), aux["state"]
        logits, aux = apply(variables, sequence, training=True, query_only=False)
        interim = interim_loss(logits, sequence.labels)
        own = query_loss(logits[:, -1:], sequence.labels)
        return (own + rates.interim_weight * (interim - own)).mean(), aux["state"]

    return loss


def task_loss(logits: Float[Array, "trial out output"], trials: Trials) -> Float[Array, " trial"]:
    """Weighted mean cross-entropy, in nats, over the steps with logits, the last of a trial."""
    count = logits.shape[1]
    targets, weights = trials.targets[:, -count:], trials.weights[:, -count:]
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, targets)
    return jnp.sum(losses * weights, axis=1) / jnp.sum(weights, axis=1)
