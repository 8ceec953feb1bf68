"""Exemplars on the device, in the order of the split, with classes multiplied where asked for.

Nothing is copied for it: the order of the source's classes is kept beside the bank, and each
look-up computes the source's class and exemplar by integer arithmetic.
"""

import math
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Shaped

from icl.config import DataConfig, ExperimentConfig
from icl.config.checks.data import image_errors
from icl.config.checks.exemplars import too_few_exemplars
from icl.config.checks.networks import embedder_errors
from icl.config.data_settings import NUM_TRANSFORMS
from icl.errors import UserError
from icl.types import ExemplarBank, ExemplarMaker, Exemplars

ALIGNMENT = 64  # bytes, as XLA needs on a CPU
COLOUR_RANK = 5  # of a bank: class, exemplar, height, width, channel


def put_on_device(data: DataConfig, loaded: ExemplarBank | ExemplarMaker) -> Exemplars:
    """Put the exemplars from the source of `data` on the device, for sequences to look up.

    Classes are first multiplied by `data.flips_and_rotations`, then by `data.exemplars` =
    separated; those made of one class of the source stay together. The source's classes have a
    fixed random order from which all splits are taken: training classes are the first
    `num_classes`, held-out ones the last `num_holdout_classes`, so that neither moves when the
    other's number changes (Chan et al. 2022). Classes without end need no such order.

    On a CPU a bank made with `aligned_empty` is not copied, and must not be written to afterwards.

    Raises UserError where a bank has fewer classes or exemplars than `data` asks for, and where
    `data` asks for transforms of what is no image.
    """
    if isinstance(loaded, ExemplarMaker):
        return _from_maker(data, loaded)
    return _from_bank(data, loaded)


def check_exemplars(config: ExperimentConfig, exemplars: Exemplars) -> None:
    """Check what only a file knows: the number of exemplars of classes, the shape of an exemplar.

    Raises UserError where a class has too few exemplars for the sequences, and where the network's
    embedder cannot read the exemplars.
    """
    data = config.data
    in_use = exemplars_in_use(data, exemplars)
    whose = "each class" if isinstance(in_use, int) else "the classes with fewest"
    errors: list[str] = []
    for count in np.unique(_of_used_classes(data, in_use)).tolist():
        if not errors:
            errors += too_few_exemplars(data, None, count, whose)
            errors += too_few_exemplars(data, config.evaluation, count, whose)
            whose = "some classes"
    errors += embedder_errors(config.model, data, exemplars.shape)
    if errors:
        raise UserError(*dict.fromkeys(errors))


def exemplars_in_use(data: DataConfig, exemplars: Exemplars) -> int | Int[np.ndarray, " class"]:
    """The number of exemplars of each class, the first ones, that are trained on.

    It is an array, in the order of the split, where classes differ in it.
    """
    if data.num_exemplars or exemplars.own_counts is None:
        return data.num_exemplars or exemplars.num_exemplars - data.num_holdout_exemplars
    return exemplars.own_counts - data.num_holdout_exemplars


def _of_used_classes(data: DataConfig, counts: int | Int[np.ndarray, " class"]) -> np.ndarray:
    """The counts of the classes that are trained on or held out."""
    if isinstance(counts, int):
        return np.array([counts])
    held_out = counts[len(counts) - data.num_holdout_classes :]
    return np.concatenate([counts[: data.num_classes], held_out])


def example_items(
    data: DataConfig, exemplars: Exemplars, limit: int = 10_000
) -> Shaped[np.ndarray, "example *shape"]:
    """Items of training classes as the network sees them, without noise; always the same.

    There are at most `limit`, evenly spaced over classes and, within these, exemplars in use.
    """
    in_use = exemplars_in_use(data, exemplars)
    num_classes = min(data.num_classes, exemplars.num_classes)
    if isinstance(in_use, int):
        chosen = _evenly(num_classes * in_use, limit)
        classes, numbers = np.divmod(chosen, in_use)
    else:
        ends = np.cumsum(in_use[:num_classes], dtype=np.int64)
        chosen = _evenly(int(ends[-1]), limit)
        classes = np.searchsorted(ends, chosen, side="right")
        numbers = chosen - np.append(0, ends)[classes]
    classes, numbers = classes.astype(np.int32), numbers.astype(np.int32)
    return np.asarray(jax.jit(exemplars.fetch)(exemplars.arrays, classes, numbers))


def _evenly(total: int, limit: int) -> Int[np.ndarray, " example"]:
    return np.arange(0, total, -(-total // limit), dtype=np.int64)


def aligned_empty(shape: tuple[int, ...], dtype: type[np.generic]) -> np.ndarray:
    """An uninitialised array that a device on the CPU can use without a copy."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    buffer = np.empty(size + ALIGNMENT, np.uint8)
    start = -buffer.ctypes.data % ALIGNMENT
    return buffer[start : start + size].view(dtype).reshape(shape)


def _from_maker(data: DataConfig, maker: ExemplarMaker) -> Exemplars:
    zero = jax.ShapeDtypeStruct((), jnp.int32)
    num_exemplars = 1 if data.exemplars == "single" else maker.num_exemplars
    shape = jax.eval_shape(maker.make, zero, zero).shape
    return Exemplars((), partial(_make, maker.make), maker.num_classes, num_exemplars, shape)


def _make(
    make: Callable[[Array, Array], Array],
    arrays: tuple[()],
    classes: Int[Array, "*batch"],
    exemplars: Int[Array, "*batch"],
) -> Shaped[Array, "*batch_and_shape"]:
    made = jax.vmap(make)(classes.ravel(), exemplars.ravel())
    return made.reshape(*classes.shape, *made.shape[1:])


def _from_bank(data: DataConfig, bank: ExemplarBank) -> Exemplars:
    num_source_classes, num_exemplars, *shape = bank.exemplars.shape
    num_transforms = NUM_TRANSFORMS if data.flips_and_rotations else 1
    num_separated = num_exemplars if data.exemplars == "separated" else 1
    num_classes = num_source_classes * num_transforms * num_separated
    order = np.random.default_rng(data.split_seed).permutation(num_source_classes)
    counts = None
    if bank.num_exemplars is not None and data.exemplars == "all":
        counts = bank.num_exemplars[order].repeat(num_transforms)
    _check(data, num_classes, num_exemplars if counts is None else counts)
    if errors := image_errors(data, tuple(shape)):
        raise UserError(*errors)
    return Exemplars(
        # Not jnp.asarray, which always copies.
        arrays={
            "bank": jax.device_put(bank.exemplars),
            "order": jax.device_put(order.astype(np.int32)),
        },
        fetch=partial(_look_up, num_transforms, num_separated),
        num_classes=num_classes,
        num_exemplars=num_exemplars if data.exemplars == "all" else 1,
        shape=tuple(shape),
        own_counts=counts,
    )


def _look_up(
    num_transforms: int,
    num_separated: int,
    arrays: dict[str, Array],
    classes: Int[Array, "*batch"],
    exemplars: Int[Array, "*batch"],
) -> Shaped[Array, "*batch_and_shape"]:
    """Look up items; in a class's number, separated exemplars vary fastest, then transforms."""
    if num_separated > 1:
        classes, exemplars = classes // num_separated, classes % num_separated
    source = arrays["order"][classes // num_transforms]
    items = arrays["bank"][source, exemplars]
    if num_transforms > 1:
        transform, is_colour = classes % num_transforms, arrays["bank"].ndim == COLOUR_RANK
        if is_colour:
            channels = jax.vmap(_transformed, (-1, None), -1)
            items = channels(items, transform)
        else:
            items = _transformed(items, transform)
    return items.astype(jnp.float32) / 255 if items.dtype == jnp.uint8 else items


def _transformed(
    images: Shaped[Array, "*batch size size"], transform: Int[Array, "*batch"]
) -> Shaped[Array, "*batch size size"]:
    """One of the eight symmetries of a square, which are two flips times four rotations.

    Three bits of `transform`: transposed (4), then upside down (2), then mirrored (1).
    """
    size = images.shape[-1]
    forth, bits = jnp.arange(size), transform[..., None]
    rows = jnp.where(bits & 2, size - 1 - forth, forth)[..., :, None]
    columns = jnp.where(bits & 1, size - 1 - forth, forth)[..., None, :]
    is_transposed = (bits & 4)[..., None] > 0
    pixels = jnp.where(is_transposed, columns * size + rows, rows * size + columns)
    # Choosing between whole images runs as fast, but takes six times as long to compile.
    flat = images.reshape(*transform.shape, size * size)
    moved = jnp.take_along_axis(flat, pixels.reshape(flat.shape), -1, mode="promise_in_bounds")
    return moved.reshape(images.shape)


def _check(
    data: DataConfig, num_classes: int, num_exemplars: int | Int[np.ndarray, " class"]
) -> None:
    """Check the numbers of classes and exemplars, which only the file knows."""
    errors = []
    source = f"data.source ({data.source.kind})"
    used = data.num_classes + data.num_holdout_classes
    if data.source.num_classes is None and used > num_classes:
        errors.append(
            f"data.num_classes + data.num_holdout_classes = {data.num_classes} + "
            f"{data.num_holdout_classes}; allowed: at most the {num_classes} classes of {source}"
        )
    together = data.classes_per_source_class
    most = (num_classes - data.num_holdout_classes) // together * together
    if data.source.num_classes is None and not errors and data.num_classes > most:
        errors.append(
            f"data.num_classes = {data.num_classes}; allowed: at most {most} of the {num_classes} "
            f"classes of {source}, so that the {together} made from one are all on one side"
        )
    there = int(_of_used_classes(data, num_exemplars).min())
    whose = source if isinstance(num_exemplars, int) else f"the smallest class of {source}"
    in_use = data.num_exemplars or 1
    left = there - in_use
    if data.source.num_exemplars is None and left < 0:
        errors.append(
            f"data.num_exemplars = {in_use}; allowed: at most the {there} exemplars of {whose}"
        )
    elif data.source.num_exemplars is None and left < data.num_holdout_exemplars:
        errors.append(
            f"data.num_holdout_exemplars = {data.num_holdout_exemplars}; allowed: at most {left}, "
            f"what is left of the {there} exemplars of {whose}"
        )
    if errors:
        raise UserError(*errors)
