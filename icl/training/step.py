"""Training on the device: one jitted loop from a PRNG key to parameter updates."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key, PyTree

from icl.training.losses import Loss
from icl.training.optimizer import Rates, make_optimizer
from icl.types import Variables


class TrainState(NamedTuple):
    """All that the next step needs, and running sums for the record.

    step: number of updates so far.
    loss_sum, loss_count: sum and number of the losses since the last evaluation.
    bad_step: first step (counted from 1) whose loss, gradient or new weights were not finite; 0 if
        none. From that step on the state does not change.
    """

    step: Int[Array, ""]
    variables: Variables
    optimizer: PyTree
    loss_sum: Float[Array, ""]
    loss_count: Int[Array, ""]
    bad_step: Int[Array, ""]


def init_state(variables: Variables, rates: Rates) -> TrainState:
    """Make the state before the first step."""
    zero = jnp.zeros((), jnp.int32)
    return TrainState(
        step=zero,
        variables=variables,
        optimizer=make_optimizer(rates).init(variables.params),
        loss_sum=jnp.zeros(()),
        loss_count=zero,
        bad_step=zero,
    )


class Update(NamedTuple):
    """The functions and rates of one update of the weights.

    batch: (key of the step, step) -> training batch.
    loss: (variables, batch) -> the loss, and the variables that are not trained, after it.
    rates: settings of the optimiser.
    constrain: parameters after an update -> the nearest allowed ones.
    """

    batch: Callable[[Key[Array, ""], Int[Array, ""]], Any]
    loss: Loss
    rates: Rates
    constrain: Callable[[PyTree], PyTree] = lambda params: params


def train_step(state: TrainState, key: Key[Array, ""], update: Update) -> TrainState:
    """Make one update. key: key of the run; that of the step is `fold_in(key, step)`."""
    batch = update.batch(jax.random.fold_in(key, state.step), state.step)

    def loss_of(params: PyTree) -> tuple[Array, PyTree]:
        return update.loss(Variables(params, state.variables.state), batch)

    (loss, net_state), gradient = jax.value_and_grad(loss_of, has_aux=True)(state.variables.params)
    changes, optimizer = make_optimizer(update.rates).update(
        gradient, state.optimizer, state.variables.params
    )
    after = TrainState(
        step=state.step + 1,
        variables=Variables(
            update.constrain(optax.apply_updates(state.variables.params, changes)), net_state
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
    update: Update,
    start: Int[Array, ""] | None = None,
) -> TrainState:
    """Train until `stop` steps have been made in all, in one compiled loop.

    The number of steps is traced; a scan would fix it. Evaluations, checkpoints and the end may
    fall on any step without another compilation, and the bits of a run cannot depend on how it is
    cut into chunks.

    start: number of steps so far, shared by states in lanes; None: that of the state.
    """
    first = state.step if start is None else start
    return jax.lax.fori_loop(first, stop, lambda _, s: train_step(s, key, update), state)
