"""The optimiser: Adam or gradient descent, its schedule, decay and clipping."""

from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, PyTree

from icl.config import TrainingConfig


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


def make_rates(training: TrainingConfig) -> Rates:
    """The traced part of the optimiser."""
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
