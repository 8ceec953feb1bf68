"""The data that flows between the parts, and the names of their axes.

Axis names used in shapes throughout: `class`, `exemplar` (of an exemplar bank); `batch`;
`item` (context items, then the query: context_len + 1); `context` (context_len);
`token` (2 * context_len + 1); `width`, `head`, `label`.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int, Shaped, UInt32


@dataclass(frozen=True)
class ExemplarBank:
    """All exemplars of all classes, on the host: uint8 images where 255 is full ink, or features.

    names: one for each class, for people.
    """

    exemplars: Shaped[np.ndarray, "class exemplar *shape"]
    names: tuple[str, ...]


class Knobs(NamedTuple):
    """What a user may vary in the distribution without changing any shape: all traced.

    class_thresholds: cumulative class probabilities in units of 2**-32, see
        `icl.data.distribution`; padded with 2**32 - 1 beyond the last training class.
    """

    p_bursty: Float[Array, ""]
    class_thresholds: UInt32[Array, " class"]
    num_classes: Int[Array, ""]
    label_multiplicity: Int[Array, ""]
    num_exemplars: Int[Array, ""]
    noise_scale: Float[Array, ""]


class IndexSequence(NamedTuple):
    """A sequence as integers, before any exemplar is looked up. The last item is the query.

    is_bursty: whether the bursty family was drawn.
    meanings: labels that count as right for the query are
        `labels[-1] // meanings == prediction // meanings`: the label multiplicity where labels
        are the classes' own, 1 where they were assigned for this sequence.
    """

    classes: Int[Array, "*batch item"]
    exemplars: Int[Array, "*batch item"]
    labels: Int[Array, "*batch item"]
    is_bursty: Bool[Array, "*batch"]
    meanings: Int[Array, "*batch"]


class Sequence(NamedTuple):
    """A batch of what a network is given, and what it is asked.

    exemplars: the items themselves, float32; context in order, then the query.
    labels: the labels of the context, then the query's, which no network may read.
    """

    exemplars: Float[Array, "batch item *shape"]
    labels: Int[Array, "batch item"]


Aux = dict[str, Any]
"""Intermediates by name ("block0/attention"); what nobody reads, XLA removes."""


class Variables(NamedTuple):
    """The numbers of a network, as nested dictionaries of arrays by name.

    params: what is trained.
    state: what is not: running statistics of batch norm, frozen encoders.
    """

    params: dict[str, Any]
    state: dict[str, Any]
