"""Handwriting: from a motor program to polylines in the unit frame, as one hand writes them.

Hands vary what a writer varies, never single pixels: strokes bend, turn and stretch a little
differently and miss their meeting points a little; the whole is slanted, turned, scaled and
shifted.
"""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Key

from icl.data.sources.motor_programs import MAX_STROKES, SEGMENTS, MotorProgram, Strokes

MARGIN = 0.06  # of the frame, kept free at each side: half a pen's width and an edge
PEN_WIDTH = 0.054  # of the frame: Omniglot's is about 5.6 of 105 pixels

# Standard deviations among the exemplars of a class, for EXTENT, SIZE, ASPECT and PEN of the
# logarithm. They are tuned so that pixels separate classes as well as in Omniglot, and a small
# convolutional network learns them as well.
BENDS = (0.08, 0.11, 0.02, 0.0, 0.11, 0.02, 0.0)  # see STYLES
HEADING = 0.07
EXTENT = 0.10
OFFSET = 0.035
SIZE = 0.09
CENTRE = 0.065
SLANT = 0.12
TURN = 0.06
ASPECT = 0.10
PEN = 0.04


def write(
    key: Key[Array, ""], program: MotorProgram
) -> tuple[Float[Array, "stroke point 2"], Float[Array, ""]]:
    """The points of the strokes as one hand draws them, within margins, and the pen's width.

    Both are in units of the frame.
    """
    # One table serves all, because each call of the generator takes long to compile.
    bell = jax.random.normal(key, (MAX_STROKES, 13))
    slant, turn, aspect, size, pen, across, down, *_ = bell[:, 11:].reshape(-1)
    strokes = Strokes(
        bends=program.strokes.bends + jnp.array(BENDS) * bell[:, :7],
        heading=program.strokes.heading + HEADING * bell[:, 7],
        extent=program.strokes.extent * jnp.exp(EXTENT * bell[:, 8]),
    )
    points = _place(_trace(strokes), program, program.offset + OFFSET * bell[:, 9:11])
    points = points @ _slanted(SLANT * slant, TURN * turn, jnp.exp(ASPECT * aspect)).T

    drawn = program.is_drawn[:, None, None]
    low = jnp.where(drawn, points, jnp.inf).min((0, 1))
    high = jnp.where(drawn, points, -jnp.inf).max((0, 1))
    longer = jnp.minimum(program.size * jnp.exp(SIZE * size), 1 - 2 * MARGIN)
    scale = longer / (high - low).max()
    room = MARGIN + scale * (high - low) / 2
    centre = program.centre + CENTRE * jnp.stack([across, down])
    points = jnp.clip(centre, room, 1 - room) + scale * (points - (low + high) / 2)
    return points, PEN_WIDTH * jnp.exp(PEN * pen)


def _trace(strokes: Strokes) -> Float[Array, "stroke point 2"]:
    """Each stroke by itself, from the origin: the path of a pen that turns as its style says."""
    along = jnp.arange(1, SEGMENTS) / SEGMENTS
    even, *bends = jnp.moveaxis(strokes.bends, 1, 0)[..., None]
    turns = jnp.broadcast_to(even / SEGMENTS, (MAX_STROKES, SEGMENTS - 1))
    for turn, place, width in (bends[:3], bends[3:]):
        # At least half a segment wide, so that a corner between two points bends too.
        bump = jnp.exp(-jnp.square((along - place) / jnp.maximum(width, 0.5 / SEGMENTS)) / 2)
        turns += turn * bump / bump.sum(-1, keepdims=True)
    angle = jnp.pad(jnp.cumsum(turns, axis=-1), ((0, 0), (1, 0)))
    angle += strokes.heading[:, None] - angle.mean(-1, keepdims=True)
    steps = jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=-1)
    points = jnp.pad(jnp.cumsum(steps, axis=1), ((0, 0), (1, 0), (0, 0)))
    longer = jnp.ptp(points, axis=1).max(-1)
    return points * (strokes.extent / longer)[:, None, None]


def _place(points: Array, program: MotorProgram, offset: Array) -> Array:
    """Move strokes to where they touch one another; a host is placed before its guests."""
    for stroke in range(1, MAX_STROKES):
        target = points[program.host[stroke], program.host_point[stroke]] + offset[stroke]
        points = points.at[stroke].add(target - points[stroke, program.own_point[stroke]])
    return points


def _slanted(slant: Array, turn: Array, aspect: Array) -> Float[Array, "2 2"]:
    """The linear map that stretches, shears and then turns."""
    shear = jnp.array([[aspect, slant], [0.0, 1 / aspect]])
    cos, sin = jnp.cos(turn), jnp.sin(turn)
    return jnp.array([[cos, -sin], [sin, cos]]) @ shear
