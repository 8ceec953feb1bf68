"""The tree of random streams: every key made from a run's seed, and how it is made.

    seed, split in three
    |- init           initial weights of the network
    |  `- 1           initial connectivity; each matrix folds in its own name
    |- train
    |  |- step        batch and noise of a training step, folded in by `icl.training.step`
    |  `- 2^31        a finite data set; each sequence folds in its number
    `- eval
       |- step        sequences of an evaluation; each condition folds in its name
       |- 0, 1        trials for probes of a task: many, and few for kernels
       |- 2 + step    trials of an evaluation
       |- 2^31        sequences for probes; each condition folds in its name
       `- 2^32 - 1    what a user draws; a condition folds in its name, then the user's number

    seed, split in two: the picture of a run on sequences
    |- mixture        sequences of the training mixture
    `- families       each family too rare in the mixture folds in its number

    seed itself: trials in the picture of a run on a task

    seed, with a name folded in: what a description draws
    |- `train`, a condition or a family: which sequences of a finite data set; then
    |  |- chunk       sequences, a chunk at a time
    |  `- 2^31        items of sequences for nearest neighbours; each chunk folds in its start
    `- `pictures`     items of the sequences in a picture; each row of pictures folds in its number

Steps and numbers of chunks stay below 2^31, so 2^31 is the number of none. Roots name
their generator: users may change JAX's default, which must change no run and no picture.
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
    return Streams(*jax.random.split(_root(seed), 3))


def _root(seed: int) -> Key[Array, ""]:
    return jax.random.key(seed, impl="threefry2x32")


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


def drawn_key(eval_key: Key[Array, ""], name: str, number: int) -> Key[Array, ""]:
    """Key of what a user draws of a condition. number: the user's."""
    return jax.random.fold_in(named(jax.random.fold_in(eval_key, 2**32 - 1), name), number)


def shown_sequences_key(seed: int, family: int | None = None) -> Key[Array, ""]:
    """Key of the sequences in a run's picture, of the mixture or of a family by its number."""
    mixture_key, families_key = jax.random.split(_root(seed))
    return mixture_key if family is None else jax.random.fold_in(families_key, family)


def shown_trials_key(seed: int) -> Key[Array, ""]:
    """Key of the trials in a run's picture."""
    return _root(seed)


def described_key(seed: int, name: str, chunk: int | None = None) -> Key[Array, ""]:
    """Key of a condition or a family in a description, or of a chunk of its sequences."""
    key = named(_root(seed), name)
    return key if chunk is None else jax.random.fold_in(key, chunk)


def described_items_key(seed: int, name: str, start: int) -> Key[Array, ""]:
    """Key of the items in which a description looks for nearest neighbours, from one on."""
    return jax.random.fold_in(described_key(seed, name, ABOVE_ALL_STEPS), start)


def described_row_key(seed: int, number: int) -> Key[Array, ""]:
    """Key of the items in some rows of a description's picture."""
    return described_key(seed, "pictures", number)
