"""The tree of a run's random streams: every key that a run uses, and what it is made from.

    seed
    |- init           initial weights of the network
    |  `- 1           initial connectivity; each matrix folds in its own name
    |- train
    |  |- step        batch and noise of a training step, folded in by `icl.training.step`
    |  `- 2^31        a finite data set; each sequence folds in its number
    `- eval
       |- step        sequences of an evaluation; each condition folds in its name
       |- 0, 1        trials that probes of a task look at: many, and few for kernels
       |- 2 + step    trials of an evaluation
       `- 2^31        sequences that probes look at; each condition folds in its name

Steps stay below 2^31, so the numbers above are of no step.
"""

import zlib
from typing import NamedTuple

import jax
from jaxtyping import Array, Int, Key

ABOVE_ALL_STEPS = 2**31


class Streams(NamedTuple):
    """The three keys of a run: initial weights, training, evaluation."""

    init: Key[Array, ""]
    train: Key[Array, ""]
    eval: Key[Array, ""]


def make_streams(seed: int) -> Streams:
    """The streams of a seed, the same on all devices and under all settings of JAX."""
    # The generator is named: JAX's default, which users may set, would make it another run.
    return Streams(*jax.random.split(jax.random.key(seed, impl="threefry2x32"), 3))


def named(key: Key[Array, ""], name: str) -> Key[Array, ""]:
    """The key of a condition or a family."""
    return jax.random.fold_in(key, zlib.crc32(name.encode()))


def connectivity_key(init_key: Key[Array, ""]) -> Key[Array, ""]:
    return jax.random.fold_in(init_key, 1)


def data_set_key(train_key: Key[Array, ""]) -> Key[Array, ""]:
    """The key of a finite data set."""
    return jax.random.fold_in(train_key, ABOVE_ALL_STEPS)


def condition_key(eval_key: Key[Array, ""], step: Int[Array, ""], name: str) -> Key[Array, ""]:
    """The key of a condition at an evaluation."""
    return named(jax.random.fold_in(eval_key, step), name)


def probed_sequences_key(eval_key: Key[Array, ""], name: str) -> Key[Array, ""]:
    """The key of the sequences of a condition that probes look at, the same at all steps."""
    return named(jax.random.fold_in(eval_key, ABOVE_ALL_STEPS), name)


def probed_trials_keys(eval_key: Key[Array, ""]) -> tuple[Key[Array, ""], Key[Array, ""]]:
    """The keys of the many and of the few trials that probes look at, the same at all steps."""
    return jax.random.fold_in(eval_key, 0), jax.random.fold_in(eval_key, 1)


def fresh_trials_key(eval_key: Key[Array, ""], step: Int[Array, ""]) -> Key[Array, ""]:
    """The key of the trials of an evaluation."""
    return jax.random.fold_in(eval_key, 2 + step)
