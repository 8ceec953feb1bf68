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

from icl.config import DataConfig, EvaluationConfig
from icl.config.checks.exemplars import too_few_exemplars
from icl.config.data_settings import NUM_TRANSFORMS
from icl.errors import UserError
from icl.types import ExemplarBank, ExemplarMaker, Exemplars

ALIGNMENT = 64  # bytes, as XLA needs on a CPU


def put_on_device(data: DataConfig, loaded: ExemplarBank | ExemplarMaker) -> Exemplars:
    """Put the exemplars from the source of `data` on the device, for sequences to look up.

    Classes are first multiplied by `data.flips_and_rotations`, then by `data.exemplars` =
    separated; those made of one class of the source stay together. The source's classes have a
    fixed random order from which all splits are taken: training classes are the first
    `num_classes`, held-out ones the last `num_holdout_classes`, so that neither moves when the
    other's number changes (Chan et al. 2022). Classes without end need no such order.

    On a CPU a bank made with `aligned_empty` is not copied, and must not be written to afterwards.

    Raises UserError where a bank has fewer classes or exemplars than `data` asks for.
    """
    if isinstance(loaded, ExemplarMaker):
        return _from_maker(data, loaded)
    return _from_bank(data, loaded)


def check_exemplars(data: DataConfig, evaluation: EvaluationConfig, exemplars: Exemplars) -> None:
    """Raise UserError where the classes of a file have too few exemplars for the sequences."""
    in_use = exemplars_in_use(data, exemplars)
    errors = too_few_exemplars(data, None, in_use) + too_few_exemplars(data, evaluation, in_use)
    if errors:
        raise UserError(*dict.fromkeys(errors))


def exemplars_in_use(data: DataConfig, exemplars: Exemplars) -> int:
    """The number of exemplars of each class, the first ones, that are trained on."""
    return data.num_exemplars or exemplars.num_exemplars - data.num_holdout_exemplars


def example_items(
    data: DataConfig, exemplars: Exemplars, limit: int = 10_000
) -> Shaped[np.ndarray, "example *shape"]:
    """Items of training classes as the network sees them, without noise; always the same.

    There are at most `limit`, evenly spaced over classes and, within these, exemplars in use.
    """
    in_use = exemplars_in_use(data, exemplars)
    total = min(data.num_classes, exemplars.num_classes) * in_use
    chosen = np.arange(0, total, -(-total // limit), dtype=np.int64)
    classes, numbers = (part.astype(np.int32) for part in np.divmod(chosen, in_use))
    return np.asarray(jax.jit(exemplars.fetch)(exemplars.arrays, classes, numbers))


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
    _check(data, num_classes, num_exemplars)
    order = np.random.default_rng(data.split_seed).permutation(num_source_classes)
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
        items = _transformed(items, classes % num_transforms)
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


def _check(data: DataConfig, num_classes: int, num_exemplars: int) -> None:
    """Check the numbers of classes and exemplars, which only the file knows."""
    errors = []
    source = f"data.source ({data.source.kind})"
    used = data.num_classes + data.num_holdout_classes
    if data.source.num_classes is None and used > num_classes:
        errors.append(
            f"data.num_classes + data.num_holdout_classes = {data.num_classes} + "
            f"{data.num_holdout_classes}; allowed: at most the {num_classes} classes of {source}"
        )
    in_use = data.num_exemplars or 1
    left = num_exemplars - in_use
    if data.source.num_exemplars is None and left < 0:
        errors.append(
            f"data.num_exemplars = {in_use}; allowed: at most the {num_exemplars} exemplars of "
            f"{source}"
        )
    elif data.source.num_exemplars is None and left < data.num_holdout_exemplars:
        errors.append(
            f"data.num_holdout_exemplars = {data.num_holdout_exemplars}; allowed: at most {left}, "
            f"what is left of the {num_exemplars} exemplars of {source}"
        )
    if errors:
        raise UserError(*errors)
