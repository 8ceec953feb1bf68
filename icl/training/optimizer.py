"""The optimiser: Adam or gradient descent, with its schedule, decay and clipping."""

from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, PyTree

from icl.config import TrainingConfig


class Rates(NamedTuple):
    """Settings of the optimiser that may vary without recompiling, as traced scalars.

    weight_decay_of: replacements of `weight_decay` by pattern of a weight's path; the longest
        matching pattern counts.
    momentum: momentum of gradient descent; None: Adam.
    interim_weight: weight of the context's items in the loss; None: the loss is of the query only.
    is_constant: whether the rate is constant after warm-up; None: it decays.
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


def learning_rate_at(count: Int[Array, ""], rates: Rates) -> Float[Array, ""]:
    """Learning rate: linear warm-up, then inverse-square-root decay (Chan et al. 2022) or none.

    count: number of updates before this one; the first update uses count + 1 = 1.
    """
    t = count + 1
    warmup = rates.warmup_steps
    after = jnp.sqrt(warmup / t)
    if rates.is_constant is not None:
        after = jnp.where(rates.is_constant, 1.0, after)
    return rates.learning_rate * jnp.minimum(t / warmup, after)


def make_optimizer(rates: Rates) -> optax.GradientTransformation:
    """Make Adam or gradient descent, with clipping by global norm and decoupled weight decay.

    An infinite `clip_norm` does not change the gradient, nor a zero `weight_decay` the weights.
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
    """Add each weight times its decay to its update."""

    def decay_of(path: tuple[Any, ...]) -> Array:
        name = path_of(path)
        decays = rates.weight_decay_of or {}
        fitting = [pattern for pattern in decays if fnmatchcase(name, pattern)]
        return decays[max(fitting, key=len)] if fitting else rates.weight_decay

    return jax.tree_util.tree_map_with_path(
        lambda path, update, param: update + decay_of(path) * param, updates, params
    )


def path_of(path: tuple[Any, ...]) -> str:
    """Name of a weight, such as `block0/mixer/qkv/kernel`."""
    return jax.tree_util.keystr(path, simple=True, separator="/")


def make_rates(training: TrainingConfig) -> Rates:
    """Make the traced settings of the optimiser."""
    clip_norm = jnp.inf if training.clip_norm is None else training.clip_norm
    return Rates(
        learning_rate=jnp.float32(training.learning_rate),
        warmup_steps=jnp.float32(training.warmup_steps),
        weight_decay=jnp.float32(training.weight_decay),
        clip_norm=jnp.float32(clip_norm),
        adam_b1=jnp.float32(training.adam_b1),
        adam_b2=jnp.float32(training.adam_b2),
        weight_decay_of={
            glob: jnp.float32(value) for glob, value in training.weight_decay_of.items()
        },
        momentum=jnp.float32(training.momentum) if training.optimizer == "sgd" else None,
        interim_weight=jnp.float32(training.interim_weight) if training.interim_weight else None,
        is_constant=jnp.bool_(training.decay == "none"),
    )
