"""The tree of a run's random streams: every key that a run uses, and how it is made.

    seed
    |- init           initial weights of the network
    |  `- 1           initial connectivity; each matrix folds in its own name
    |- train
    |  |- step        batch and noise of a training step, folded in by `icl.training.step`
    |  `- 2^31        a finite data set; each sequence folds in its number
    `- eval
       |- step        sequences of an evaluation; each condition folds in its name
       |- 0, 1        trials for probes of a task: many, and few for kernels
       |- 2 + step    trials of an evaluation
       `- 2^31        sequences for probes; each condition folds in its name

Steps stay below 2^31, so 2^31 is the number of no step.
"""

import zlib
from typing import NamedTuple

import jax
from jaxtyping import Array, Int, Key

ABOVE_ALL_STEPS = 2**31


class Streams(NamedTuple):
    """Keys of a run for initial weights, training and evaluation."""

    init: Key[Array, ""]
    train: Key[Array, ""]
    eval: Key[Array, ""]


def make_streams(seed: int) -> Streams:
    """Make the streams of a seed, the same on all devices and under all settings of JAX."""
    # Users may change JAX's default generator, which would change the run.
    return Streams(*jax.random.split(jax.random.key(seed, impl="threefry2x32"), 3))


def named(key: Key[Array, ""], name: str) -> Key[Array, ""]:
    """Key of a condition or a family."""
    return jax.random.fold_in(key, zlib.crc32(name.encode()))


def connectivity_key(init_key: Key[Array, ""]) -> Key[Array, ""]:
    """Key of the initial connectivity."""
    return jax.random.fold_in(init_key, 1)


def data_set_key(train_key: Key[Array, ""]) -> Key[Array, ""]:
    """Key of a finite data set."""
    return jax.random.fold_in(train_key, ABOVE_ALL_STEPS)


def condition_key(eval_key: Key[Array, ""], step: Int[Array, ""], name: str) -> Key[Array, ""]:
    """Key of a condition at an evaluation."""
    return named(jax.random.fold_in(eval_key, step), name)


def probed_sequences_key(eval_key: Key[Array, ""], name: str) -> Key[Array, ""]:
    """Key of a condition's sequences for probes, the same at all steps."""
    return named(jax.random.fold_in(eval_key, ABOVE_ALL_STEPS), name)


def probed_trials_keys(eval_key: Key[Array, ""]) -> tuple[Key[Array, ""], Key[Array, ""]]:
    """Keys of the many and of the few trials for probes, the same at all steps."""
    return jax.random.fold_in(eval_key, 0), jax.random.fold_in(eval_key, 1)


def fresh_trials_key(eval_key: Key[Array, ""], step: Int[Array, ""]) -> Key[Array, ""]:
    """Key of the trials of an evaluation."""
    return jax.random.fold_in(eval_key, 2 + step)
