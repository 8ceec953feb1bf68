"""Characters drawn by a procedure, as varied as Omniglot's, in any number, with no download.

A class is a motor program (`motor_programs`), and an exemplar is that program in another hand
(`handwriting`). Both are functions of (seed, class, exemplar) alone, so that a class is the same
in every bank that holds it.
"""

import ctypes
from contextlib import suppress
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, UInt8

from icl.config.sources import GlyphsSource
from icl.data.sources.cache import cached
from icl.data.sources.handwriting import write
from icl.data.sources.motor_programs import invent
from icl.data.sources.on_device import aligned_empty
from icl.types import ExemplarBank

PROCEDURE = 1  # raise it with any change to the drawings, so that older cached banks are not used
MAX_CACHED_BYTES = 2**28
GLYPHS_PER_BLOCK = 4096  # on the device at a time: 3 MB of uint8 pixels at 28 x 28
GLYPHS_AT_ONCE = 32  # their distances in float32 fit in a core's cache


def load_glyphs(source: GlyphsSource) -> ExemplarBank:
    """Load the glyphs from the cache, or draw them; a bank too large for the cache is not kept."""
    shape = (source.num_classes, source.num_exemplars, source.size, source.size)
    if np.prod(shape, dtype=np.int64) > MAX_CACHED_BYTES:
        return draw_glyphs(source)
    numbers = "x".join(map(str, shape))
    name = f"glyphs-v{PROCEDURE}-seed{source.seed}-{numbers}"
    return cached(name, lambda: draw_glyphs(source), shape)


def draw_glyphs(source: GlyphsSource) -> ExemplarBank:
    """Draw all exemplars of all classes, block by block so that only the result is large.

    All blocks have the same shape, so that one compiled program draws every bank.
    """
    total = source.num_classes * source.num_exemplars
    glyphs = aligned_empty((total, source.size, source.size), np.uint8)
    for first in range(0, total, GLYPHS_PER_BLOCK):
        block = glyphs[first : first + GLYPHS_PER_BLOCK]
        index = np.arange(first, first + GLYPHS_PER_BLOCK)
        classes, exemplars = np.divmod(np.minimum(index, total - 1), source.num_exemplars)
        drawn = _ink_block(
            _pen_block(source.seed, classes.astype(np.int32), exemplars.astype(np.int32)),
            size=source.size,
        )
        block[:] = np.asarray(drawn)[: len(block)]
        if first == 0:
            _return_freed_memory()
    shape = (source.num_classes, source.num_exemplars, source.size, source.size)
    names = tuple(f"glyph {index}" for index in range(source.num_classes))
    return ExemplarBank(glyphs.reshape(shape), names)


def _return_freed_memory() -> None:
    """Return some 100 MB to the system that compiling took and glibc would keep.

    A bank of 1.6 GB then takes less than 2 GB. Without glibc this does nothing.
    """
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def pen_strokes(
    seed: int | Array, class_index: int | Array, exemplar_index: int | Array
) -> tuple[Array, Array, Array]:
    """One glyph: points of its strokes, which strokes exist, and the width of the pen."""
    # Threefry is named because another default generator would make other characters.
    key = jax.random.fold_in(jax.random.key(seed, impl="threefry2x32"), class_index)
    program_key, hands_key = jax.random.split(key)
    program = invent(program_key)
    points, width = write(jax.random.fold_in(hands_key, exemplar_index), program)
    return points, program.is_drawn, width


# Two programs, because strokes take long to compile and are the same for every size.
_pen_block = jax.jit(jax.vmap(pen_strokes, in_axes=(None, 0, 0)))


@partial(jax.jit, static_argnames="size")
def _ink_block(strokes: tuple[Array, Array, Array], size: int) -> UInt8[Array, "block size size"]:
    def draw(glyph: tuple[Array, Array, Array]) -> Array:
        return draw_ink(*glyph, size=size)

    return jax.lax.map(draw, strokes, batch_size=GLYPHS_AT_ONCE)


def draw_ink(
    points: Float[Array, "stroke point 2"],
    is_drawn: Bool[Array, " stroke"],
    width: Float[Array, ""],
    size: int,
) -> UInt8[Array, "size size"]:
    """Draw antialiased strokes: the share of each pixel that the pen covers; 255 is full ink.

    A pixel at distance d from the line counts as the interval [d - 1/2, d + 1/2] across it, which
    is exact for a line along the grid. A drawing of twice the size, averaged, is nearly this one.
    """
    centres = (jnp.arange(size) + 0.5) / size
    drawn = is_drawn[:, None, None]
    starts = jnp.where(drawn, points[:, :-1], 9.0).reshape(-1, 2)  # far outside of the frame
    steps = jnp.where(drawn, jnp.diff(points, axis=1), 1.0).reshape(-1, 2)

    def nearer(squares: Array, segment: tuple[Array, Array]) -> tuple[Array, None]:
        (x, y), (dx, dy) = segment
        right, down = centres - x, (centres - y)[:, None]
        along = jnp.clip((right * dx + down * dy) / (dx * dx + dy * dy), 0, 1)
        return jnp.minimum(squares, (right - along * dx) ** 2 + (down - along * dy) ** 2), None

    # A scan, not one array of all segments, so that pixels stay in cache and are vectorised.
    squares, _ = jax.lax.scan(nearer, jnp.full((size, size), 9.0), (starts, steps))
    distance, half = jnp.sqrt(squares) * size, width * size / 2
    covered = jnp.minimum(distance + 0.5, half) - jnp.maximum(distance - 0.5, -half)
    return jnp.round(255 * jnp.clip(covered, 0, 1)).astype(jnp.uint8)
