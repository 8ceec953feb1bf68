"""Sequential digits: a network reads an image row by row and names its digit at the end."""

import importlib
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key, UInt8

from icl.config.tasks import DigitsTask
from icl.data.tasks.mnist import LabelledImages, load_mnist
from icl.data.tasks.trials import Task
from icl.errors import UserError
from icl.types import TaskKnobs, Trials

_SPLIT_SEED = 0
_NUM_PARTS = 5  # scikit-learn's digits are split into so many parts, of which one is held out


def load_sklearn_digits() -> tuple[LabelledImages, LabelledImages]:
    """Load 1,438 digits for training and 359 for tests, a fixed random split; uint8, ink up to 16.

    Raises UserError where scikit-learn is not installed.
    """
    try:
        digits = importlib.import_module("sklearn.datasets").load_digits()
    except ImportError as error:
        raise UserError(
            "task.source.kind = sklearn: takes scikit-learn, which is not installed; "
            'pip install "icl[tasks]"'
        ) from error
    images, labels = digits.images.astype(np.uint8), digits.target.astype(np.int32)
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(labels))
    test, train = np.split(order, [len(labels) // _NUM_PARTS])
    return LabelledImages(images[train], labels[train]), LabelledImages(images[test], labels[test])


# By kind of source: the function that loads images for training and for tests; full ink.
SOURCES: dict[str, tuple[Callable[[], tuple[LabelledImages, LabelledImages]], int]] = {
    "mnist": (load_mnist, 255),
    "sklearn": (load_sklearn_digits, 16),
}


def make_digits(config: DigitsTask) -> Task:
    """Make the task. Inputs: the pixels of a row, where full ink is 1. Outputs: the ten digits.

    Training draws images independently. A test goes through the held-out ones in random order,
    so that no image comes twice before all have come once.

    Raises UserError where the images are missing or broken.
    """
    load, full_ink = SOURCES[config.source.kind]
    train, test = load()
    arrays = {"train": jax.device_put(train), "test": jax.device_put(test)}
    return Task(
        config.num_steps,
        config.num_inputs,
        config.num_outputs,
        arrays,
        partial(_draw, config=config, full_ink=full_ink),
        partial(_draw_test, config=config, full_ink=full_ink),
    )


Arrays = dict[str, LabelledImages]


def _draw(
    key: Key[Array, ""],
    batch_size: int,
    knobs: TaskKnobs,
    arrays: Arrays,
    *,
    config: DigitsTask,
    full_ink: int,
) -> Trials:
    choice_key, noise_key = jax.random.split(key)
    images, labels = arrays["train"]
    chosen = jax.random.randint(choice_key, (batch_size,), 0, len(labels))
    return _trials(config, noise_key, knobs, images[chosen], labels[chosen], full_ink)


def _draw_test(
    key: Key[Array, ""],
    batch_size: int,
    knobs: TaskKnobs,
    arrays: Arrays,
    *,
    config: DigitsTask,
    full_ink: int,
) -> Trials:
    order_key, noise_key = jax.random.split(key)
    images, labels = arrays["test"]
    order = jax.random.permutation(order_key, len(labels))
    chosen = order[np.arange(batch_size) % len(labels)]
    return _trials(config, noise_key, knobs, images[chosen], labels[chosen], full_ink)


def _trials(
    config: DigitsTask,
    key: Key[Array, ""],
    knobs: TaskKnobs,
    images: UInt8[Array, "batch side side"],
    labels: Int[Array, " batch"],
    full_ink: int,
) -> Trials:
    rows = images.astype(jnp.float32) / full_ink
    if knobs.noise is not None:
        rows += knobs.noise * jax.random.normal(key, rows.shape)
    inputs = jnp.pad(rows, ((0, 0), (0, config.delay), (0, 0)))
    shape = inputs.shape[:2]
    # The target is the same at every step, for users who weigh steps otherwise.
    targets = jnp.broadcast_to(labels[:, None], shape)
    return Trials(inputs, targets, jnp.zeros(shape).at[:, -1].set(1))
