"""Motor programs of made-up characters: each class of glyphs is one.

As in Lake et al. 2015, a character is a few strokes, each a smooth curve in one of several
styles, placed beside or upon one another. Lengths are relative to one another; x points right,
y points down, angles are in radians from x.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int, Key

MAX_STROKES = 5
SEGMENTS = 12  # straight pieces of a stroke

STROKE_COUNT_ODDS = (0.10, 0.26, 0.30, 0.22, 0.12)  # of 1 .. 5 strokes

# A style is how the pen turns along a stroke (radians): evenly, and at two bends, each with its
# place along the stroke (0 to 1) and width. These are means; classes vary by STYLE_SPREAD.
#         even  bend place width  bend place width  odds
STYLES = {
    "line": (0.0, 0.0, 0.5, 0.30, 0.0, 0.5, 0.30, 0.38),
    "arc": (2.6, 0.0, 0.5, 0.30, 0.0, 0.5, 0.30, 0.18),
    "loop": (5.9, 0.0, 0.5, 0.30, 0.0, 0.5, 0.30, 0.08),
    "hook": (0.2, 2.4, 0.75, 0.10, 0.0, 0.5, 0.30, 0.09),
    "curl": (0.5, 4.2, 0.7, 0.15, -1.2, 0.2, 0.10, 0.04),
    "wave": (0.0, 2.8, 0.25, 0.15, -2.8, 0.75, 0.15, 0.06),
    "corner": (0.0, 1.8, 0.5, 0.02, 0.0, 0.5, 0.30, 0.08),
    "zigzag": (0.0, 2.2, 0.33, 0.02, -2.2, 0.67, 0.02, 0.03),
    "bracket": (0.0, 1.6, 0.3, 0.02, 1.6, 0.7, 0.02, 0.06),
}
STYLE_SPREAD = (0.2, 0.35, 0.08, 0.0, 0.35, 0.08, 0.0)

AXES = (0.0, jnp.pi / 2, jnp.pi / 4, -jnp.pi / 4)  # of strokes; axes 2k and 2k + 1 are normal
AXIS_ODDS = (0.4, 0.4, 0.1, 0.1)
POINTS = (0, SEGMENTS // 2, SEGMENTS)  # where strokes touch
POINT_ODDS = (0.4, 0.3, 0.3)


class Strokes(NamedTuple):
    """Strokes by themselves, before they are placed.

    bends: as in STYLES. heading: mean direction. extent: longer side of the stroke's box.
    """

    bends: Float[Array, "stroke 7"]
    heading: Float[Array, " stroke"]
    extent: Float[Array, " stroke"]


class MotorProgram(NamedTuple):
    """A character of at most MAX_STROKES strokes, of which those in `is_drawn` exist.

    Stroke k > 0 puts its point `own_point` at point `host_point` of the stroke `host` < k, plus
    `offset`. size: longer side of the character's box. centre: the box's centre. The frame is the
    unit of both.
    """

    is_drawn: Bool[Array, " stroke"]
    strokes: Strokes
    host: Int[Array, " stroke"]
    host_point: Int[Array, " stroke"]
    own_point: Int[Array, " stroke"]
    offset: Float[Array, "stroke 2"]
    size: Float[Array, ""]
    centre: Float[Array, "2"]


def invent(key: Key[Array, ""]) -> MotorProgram:
    """Draw the program of a new class."""
    chance_key, bell_key = jax.random.split(key)
    # Two tables serve all, because each call of the generator takes long to compile.
    chance = jax.random.uniform(chance_key, (15, MAX_STROKES))
    whole, to_host, side, free, across, down, host_end, own_end, copy, *of_strokes = chance
    order = jnp.arange(MAX_STROKES)
    count = 1 + _pick(whole[0], STROKE_COUNT_ODDS)
    host = (to_host * order).astype(jnp.int32)
    bell = jax.random.normal(bell_key, (MAX_STROKES, 8))
    strokes, axis = _invent_strokes(of_strokes, bell, count, host)

    # A stroke that runs along its host lies beside it, often as a copy of it; if they touched, one
    # would hide the other. Most other strokes touch their host.
    is_parallel = ((axis == axis[host]) & (order > 0))[:, None]
    is_copy = is_parallel[:, 0] & (copy < 0.5)
    source = jnp.where(is_copy, host, order)
    strokes = Strokes(*(leaf[source] for leaf in strokes))
    normal = jnp.stack([-jnp.sin(strokes.heading[host]), jnp.cos(strokes.heading[host])], axis=-1)
    beside = (jnp.sign(side - 0.5) * (0.2 + 0.6 * jnp.abs(side - 0.5)))[:, None] * normal
    anywhere = jnp.stack([across, down], axis=-1) - 0.5
    apart = jnp.where(free[:, None] < 0.15, anywhere, 0)
    return MotorProgram(
        is_drawn=order < count,
        strokes=strokes,
        host=host,
        host_point=jnp.array(POINTS)[_pick(host_end, POINT_ODDS)],
        own_point=jnp.array(POINTS)[_pick(own_end, POINT_ODDS)],
        offset=jnp.where(is_parallel, beside, apart),
        size=0.32 + 0.04 * count + 0.33 * whole[1],
        centre=0.48 + 0.08 * (whole[2:4] - 0.5),
    )


def _invent_strokes(
    chance: list[Float[Array, " stroke"]],
    bell: Float[Array, "stroke 8"],
    count: Int[Array, ""],
    host: Int[Array, " stroke"],
) -> tuple[Strokes, Int[Array, " stroke"]]:
    """Strokes, and the index in AXES that each runs along, from uniform and normal numbers."""
    kind, mirror, long, direction, clash, back = chance
    style = _pick(kind, tuple(odds for *_, odds in STYLES.values()))
    # A single line would differ from another only in direction, so it becomes a bracket.
    style = jnp.where((count == 1) & (style == 0), len(STYLES) - 1, style)
    bends = jnp.array([bends for *bends, _ in STYLES.values()])[style]
    bends += jnp.array(STYLE_SPREAD) * bell[:, :7]
    is_turn = jnp.array([1, 1, 0, 0, 1, 0, 0], bool)
    bends = jnp.where((mirror[:, None] < 0.5) & is_turn, -bends, bends)

    axis = _pick(direction, AXIS_ODDS)
    axis = jnp.where((axis == axis[host]) & (clash < 0.5), axis ^ 1, axis)
    heading = jnp.array(AXES)[axis] + jnp.where(back < 0.5, jnp.pi, 0) + 0.12 * bell[:, 7]
    return Strokes(bends, heading, extent=0.3 + 0.7 * long), axis


def _pick(chance: Array, odds: tuple[float, ...]) -> Array:
    """An index for each uniform number, with the given odds."""
    bounds = np.cumsum(odds)[:-1]
    return (chance[..., None] >= bounds).sum(-1)
