"""A training run on the device: one jitted loop from a PRNG key to parameter updates."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key, PyTree

from icl.training.losses import Loss
from icl.training.optimizer import Rates, make_optimizer
from icl.types import Variables

Batch = Callable[[Key[Array, ""], Int[Array, ""]], Any]
Constrain = Callable[[PyTree], PyTree]


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
