"""Inputs that a user gives to a network, checked before anything compiles."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from icl.errors import UserError
from icl.types import Batch, Trials


def sequences_given(given: Any, shape: tuple[int, ...], num_labels: int) -> Batch:
    """Sequences of a user as a network takes them: float32 or int32 items, int32 labels, bits.

    shape: of an exemplar; () for symbols, which are integers.
    num_labels: labels are below it.

    Raises UserError where shapes or labels do not fit the network.
    """
    if not isinstance(given, Batch):
        raise UserError(
            f"batch = {type(given).__name__}; allowed: icl.Batch(exemplars, labels), or what "
            "run.draw gives"
        )
    exemplars, labels = jnp.asarray(given.exemplars), np.asarray(given.labels)
    if labels.ndim != 2 or labels.shape[1] < 2 or labels.dtype.kind not in "iu":
        raise UserError(
            f"batch.labels: {labels.dtype}{list(labels.shape)}; allowed: integers [batch, item], "
            "the query's last, after at least one in context"
        )
    if exemplars.shape != (*labels.shape, *shape):
        raise UserError(
            f"batch.exemplars: of shape {list(exemplars.shape)}; allowed: "
            f"{[*labels.shape, *shape]}, an item of shape {list(shape)} for each label"
        )
    if labels.size and not 0 <= labels.min() <= labels.max() < num_labels:
        raise UserError(
            f"batch.labels: from {labels.min()} to {labels.max()}; allowed: from 0 to "
            f"{num_labels - 1}"
        )
    scale = 255 if exemplars.dtype == jnp.uint8 else 1  # images, where 255 is full ink
    items = exemplars.astype(jnp.float32) / scale if shape else exemplars.astype(jnp.int32)
    bits = given.bits
    if bits is None:  # a network with random positions needs some: always the same
        bits = jax.random.bits(jax.random.key(0, impl="threefry2x32"), labels.shape[:1], jnp.uint32)
    return given._replace(exemplars=items, labels=jnp.asarray(labels, jnp.int32), bits=bits)


def trials_given(given: Any, num_steps: int, num_inputs: int) -> Trials:
    """Trials of a user as a network takes them, or their inputs alone.

    Raises UserError where the shape does not fit the task.
    """
    inputs = jnp.asarray(given.inputs if isinstance(given, Trials) else given, jnp.float32)
    if inputs.ndim != 3 or inputs.shape[1:] != (num_steps, num_inputs):
        raise UserError(
            f"trials: inputs of shape {list(inputs.shape)}; allowed: [trial, {num_steps}, "
            f"{num_inputs}], steps and channels of the task"
        )
    if isinstance(given, Trials):
        return given._replace(inputs=inputs)
    shape = inputs.shape[:2]
    return Trials(inputs, jnp.zeros(shape, jnp.int32), jnp.ones(shape))
