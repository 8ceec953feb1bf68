"""A training run on the device: one jitted loop from a PRNG key to parameter updates."""

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from icl.types import Sequence, Variables

Batch = Callable[[Key[Array, ""], Int[Array, ""]], Any]
Apply = Callable[..., tuple[Array, dict[str, Any]]]
# (a network's numbers, a batch) to the loss and the numbers that are not trained, after it.
Loss = Callable[[Variables, Any], tuple[Array, PyTree]]
Constrain = Callable[[PyTree], PyTree]


class Rates(NamedTuple):
    """What a user may vary in the optimiser without recompiling: all traced scalars.

    weight_decay_of: in place of `weight_decay`, by pattern of a weight's path; the longest that
        fits.
    momentum: of gradient descent, or None: Adam.
    interim_weight: of the context's items in the loss; None: the query alone.
    is_constant: whether the rate stays after warm-up; None: it falls.
    """

    learning_rate: Float[Array, ""]
    warmup_steps: Float[Array, ""]
    weight_decay: Float[Array, ""]
    clip_norm: Float[Array, ""]
    adam_b1: Float[Array, ""]
    adam_b2: Float[Array, ""]
    weight_decay_of: dict[str, Float[Array, ""]] | None = None
    momentum: Float[Array, ""] | None = None
    interim_weight: Float[Array, ""] | None = None
    is_constant: Bool[Array, ""] | None = None


class TrainState(NamedTuple):
    """All that the next step needs, and the running sums for the record.

    step: updates made so far.
    loss_sum, loss_count: over the steps since the last evaluation.
    bad_step: the first step (counted from 1) whose loss, gradient or outcome was not finite; 0 if
        none.
        From there on the state does not change.
    """

    step: Int[Array, ""]
    variables: Variables
    optimizer: PyTree
    loss_sum: Float[Array, ""]
    loss_count: Int[Array, ""]
    bad_step: Int[Array, ""]


def learning_rate_at(count: Int[Array, ""], rates: Rates) -> Float[Array, ""]:
    """Linear warm-up to the peak, then inverse-square-root decay (Chan et al. 2022) or none.

    count: updates made before this one; the first update uses count + 1 = 1.
    """
    t = count + 1
    warmup = rates.warmup_steps
    after = jnp.sqrt(warmup / t)
    if rates.is_constant is not None:
        after = jnp.where(rates.is_constant, 1.0, after)
    return rates.learning_rate * jnp.minimum(t / warmup, after)


def make_optimizer(rates: Rates) -> optax.GradientTransformation:
    """Adam, or gradient descent, with clipping by global norm and decoupled weight decay.

    An infinite `clip_norm` and a zero `weight_decay` leave the gradient and weights as they are.
    """
    direction = (
        optax.scale_by_adam(rates.adam_b1, rates.adam_b2)
        if rates.momentum is None
        else optax.trace(rates.momentum)
    )
    return optax.chain(
        optax.clip_by_global_norm(rates.clip_norm),
        direction,
        optax.stateless(lambda updates, params: _with_decay(updates, params, rates)),
        optax.scale_by_learning_rate(lambda count: learning_rate_at(count, rates)),
    )


def _with_decay(updates: PyTree, params: PyTree, rates: Rates) -> PyTree:
    """Each weight times its decay added to its update."""

    def decay_of(path: tuple[Any, ...]) -> Array:
        name = path_of(path)
        decays = rates.weight_decay_of or {}
        fitting = [pattern for pattern in decays if fnmatchcase(name, pattern)]
        return decays[max(fitting, key=len)] if fitting else rates.weight_decay

    return jax.tree_util.tree_map_with_path(
        lambda path, update, param: update + decay_of(path) * param, updates, params
    )


def path_of(path: tuple[Any, ...]) -> str:
    """The name of a weight: `block0/mixer/qkv/kernel`."""
    return jax.tree_util.keystr(path, simple=True, separator="/")


def query_loss(
    logits: Float[Array, "batch 1 label"], labels: Int[Array, "batch item"]
) -> Float[Array, " batch"]:
    """Cross-entropy, in nats, of the query's label."""
    return optax.softmax_cross_entropy_with_integer_labels(logits[:, -1], labels[:, -1])


def interim_loss(
    logits: Float[Array, "batch token label"], labels: Int[Array, "batch item"]
) -> Float[Array, " batch"]:
    """Mean cross-entropy, in nats, of the labels of the context, each told from its item and what
    came before."""
    of_items = logits[:, :-1:2]
    losses = optax.softmax_cross_entropy_with_integer_labels(of_items, labels[:, :-1])
    return losses.mean(axis=1)


def sequence_loss(apply: Apply, rates: Rates) -> Loss:
    """Of sequences: at the query, and at the context's items where these have a weight."""

    def loss(variables: Variables, sequence: Sequence) -> tuple[Array, PyTree]:
        if rates.interim_weight is None:
            logits, aux = apply(variables, sequence, training=True)
            return query_loss(logits, sequence.labels).mean(), aux["state"]
        logits, aux = apply(variables, sequence, training=True, query_only=False)
        interim = interim_loss(logits, sequence.labels)
        own = query_loss(logits[:, -1:], sequence.labels)
        return (own + rates.interim_weight * (interim - own)).mean(), aux["state"]

    return loss


def init_state(variables: Variables, rates: Rates) -> TrainState:
    """The state before the first step."""
    zero = jnp.zeros((), jnp.int32)
    return TrainState(
        step=zero,
        variables=variables,
        optimizer=make_optimizer(rates).init(variables.params),
        loss_sum=jnp.zeros(()),
        loss_count=zero,
        bad_step=zero,
    )


def train_step(
    state: TrainState,
    key: Key[Array, ""],
    batch: Batch,
    loss_of: Loss,
    rates: Rates,
    constrain: Constrain = lambda params: params,
) -> TrainState:
    """One update. key: of the run; the step's own is `fold_in(key, step)`."""
    drawn = batch(jax.random.fold_in(key, state.step), state.step)

    def loss_fn(params: PyTree) -> tuple[Array, PyTree]:
        return loss_of(Variables(params, state.variables.state), drawn)

    (loss, net_state), gradient = jax.value_and_grad(loss_fn, has_aux=True)(state.variables.params)
    updates, optimizer = make_optimizer(rates).update(
        gradient, state.optimizer, state.variables.params
    )
    after = TrainState(
        step=state.step + 1,
        variables=Variables(
            constrain(optax.apply_updates(state.variables.params, updates)), net_state
        ),
        optimizer=optimizer,
        loss_sum=state.loss_sum + loss,
        loss_count=state.loss_count + 1,
        bad_step=state.bad_step,
    )
    is_finite = (
        jnp.isfinite(loss)
        & jnp.isfinite(optax.tree.norm(gradient))
        & jnp.isfinite(optax.tree.norm(after.variables.params))
    )
    kept = state._replace(bad_step=jnp.where(state.bad_step == 0, state.step + 1, state.bad_step))
    return jax.tree.map(lambda a, b: jnp.where(is_finite, a, b), after, kept)


def train_until(
    state: TrainState,
    stop: Int[Array, ""],
    key: Key[Array, ""],
    batch: Batch,
    loss_of: Loss,
    rates: Rates,
    start: Int[Array, ""] | None = None,
    constrain: Constrain = lambda params: params,
) -> TrainState:
    """Steps until `stop` have been made in all, in one compiled loop.

    The number of steps is traced, where a scan would fix it: evaluation, checkpoints and the
    end may fall on any step without a second compilation, and the bits of a run cannot depend
    on how it was cut into chunks.

    start: steps made so far, where the state is a lane of many that share it; None: the state's.
    constrain: parameters after an update to those that are allowed.
    """
    first = state.step if start is None else start
    return jax.lax.fori_loop(
        first, stop, lambda _, s: train_step(s, key, batch, loss_of, rates, constrain), state
    )
