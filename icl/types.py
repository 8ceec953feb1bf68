"""The data that flows between the parts, and the names of their axes.

Axis names used in shapes throughout: `class`, `exemplar` (of an exemplar bank); `batch`;
`item` (context items, then the query: context_len + 1); `context` (context_len);
`token` (2 * context_len + 1); `width`, `head`, `label`; of tasks `step`, `channel`, `output`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jax import Array
from jaxtyping import Float, Int, PyTree, Shaped, UInt32


@dataclass(frozen=True)
class ExemplarBank:
    """All exemplars of all classes, on the host: uint8 images where 255 is full ink, or features.

    Not to be written to once it is put on the device: on a CPU that is the same memory.

    names: one for each class, for people.
    """

    exemplars: Shaped[np.ndarray, "class exemplar *shape"]
    names: tuple[str, ...]


@dataclass(frozen=True)
class ExemplarMaker:
    """Exemplars without end, made on the device from their numbers.

    make: (class, exemplar), two integers, to one exemplar: the same whenever it is asked for.
    """

    make: Callable[[Int[Array, ""], Int[Array, ""]], Shaped[Array, "*shape"]]
    num_classes: int
    num_exemplars: int


@dataclass(frozen=True)
class Exemplars:
    """Exemplars on the device, in the order that classes are split by, whatever their source.

    arrays: what `fetch` reads, an argument of compiled programs and never a constant in them.
    fetch: (arrays, classes, exemplars), integers of one shape [...], to items [..., *shape]:
        images as float32 where ink is 1, features as float32, symbols as int32.
    """

    arrays: PyTree
    fetch: Callable[[PyTree, Int[Array, "..."], Int[Array, "..."]], Shaped[Array, "..."]]
    num_classes: int
    num_exemplars: int
    shape: tuple[int, ...]


class ClassDistribution(NamedTuple):
    """A distribution over the classes `first` .. `first + size - 1`: uniform, or a table's.

    thresholds: cumulative probabilities of classes from 0 on in units of 2**-32, see
        `icl.data.classes`; given that the class is one of those above. None: uniform.
    guide: where to look in the thresholds; only speed depends on it.
    """

    first: Int[Array, ""]
    size: Int[Array, ""]
    thresholds: UInt32[Array, " class"] | None = None
    guide: Int[Array, " bucket"] | None = None


class Knobs(NamedTuple):
    """What a user may vary in the distribution without changing any shape: all traced.

    A knob that is None is off: what it would do is left out of the program.

    weights: cumulative, of the families trained on.
    pools: pools of classes by name.
    step: training steps made; only what changes in the course of training depends on it.
    num_meanings: distinct meanings shared by all classes; None: each class has its own.
    drift_rate: new meanings of a class for each step, in units of 2**-32.
    label_pairs: pairs of labels in random order, those never permuted together last.
    """

    weights: Float[Array, " family"]
    pools: dict[str, ClassDistribution]
    step: Int[Array, ""]
    num_classes: Int[Array, ""]
    num_trained_labels: Int[Array, ""]
    first_holdout_class: Int[Array, ""]
    label_multiplicity: Int[Array, ""]
    num_exemplars: Int[Array, ""]
    num_holdout_exemplars: Int[Array, ""]
    num_permuted_labels: Int[Array, ""]
    num_meanings: Int[Array, ""] | None = None
    num_blocks: Int[Array, ""] | None = None
    block_steps: Int[Array, ""] | None = None
    p_relevant: Float[Array, ""] | None = None
    p_matched_exemplar: Float[Array, ""] | None = None
    p_copied_exemplar: Float[Array, ""] | None = None
    label_noise: Float[Array, ""] | None = None
    cue_reliability: Float[Array, ""] | None = None
    drift_rate: UInt32[Array, ""] | None = None
    drift_seed: UInt32[Array, ""] | None = None
    label_pairs: Int[Array, "pair 2"] | None = None
    num_holdout_pairs: Int[Array, ""] | None = None
    noise_scale: Float[Array, ""] | None = None
    first_rare_class: Int[Array, ""] | None = None


class IndexSequence(NamedTuple):
    """A sequence as integers, before any exemplar is looked up. The last item is the query.

    synonyms: labels that count as right for the query are
        `labels[-1] // synonyms == prediction // synonyms`: the label multiplicity where labels
        are the classes' own, 1 where they were assigned for this sequence.
    family: which of a mixture's families it is; 0 where there is but one.
    """

    classes: Int[Array, "*batch item"]
    exemplars: Int[Array, "*batch item"]
    labels: Int[Array, "*batch item"]
    synonyms: Int[Array, "*batch"]
    family: Int[Array, "*batch"]


class Sequence(NamedTuple):
    """A batch of what a network is given, and what it is asked.

    exemplars: the items themselves, float32, or int32 where they are symbols; context in order,
        then the query.
    labels: the labels of the context, then the query's, which no network may read.
    bits: random ones, for networks that tell positions at random; None: none.
    """

    exemplars: Shaped[Array, "batch item *shape"]
    labels: Int[Array, "batch item"]
    bits: UInt32[Array, " batch"] | None = None


class Trials(NamedTuple):
    """A batch of trials. The answer is asked for at the last step, where accuracy is measured.

    targets: the right output at each step.
    weights: of each step in the loss, which is sum(weights * cross-entropy) / sum(weights).
    """

    inputs: Float[Array, "batch step channel"]
    targets: Int[Array, "batch step"]
    weights: Float[Array, "batch step"]


class TaskKnobs(NamedTuple):
    """What a user may vary in a task without changing any shape: all traced.

    A knob that is None is off: what it would do is left out of the program.

    noise: s.d. at one step, of stimuli while they are shown or of pixels.
    cue_noise: the same of the fixation and context inputs while stimuli are shown.
    coherences: in percent, of which each trial has one at random.
    """

    noise: Float[Array, ""] | None = None
    cue_noise: Float[Array, ""] | None = None
    coherences: Float[Array, " coherence"] | None = None


class ShownSequence(NamedTuple):
    """One sequence of a picture: its section and name, its items, query last.

    is_same: whether an item is of the query's class.
    """

    section: str
    name: str
    exemplars: Shaped[np.ndarray, "item *shape"]
    labels: Int[np.ndarray, " item"]
    is_same: Shaped[np.ndarray, " item"]


class ShownTrials(NamedTuple):
    """Trials of a picture."""

    inputs: Float[np.ndarray, "trial step channel"]
    targets: Int[np.ndarray, "trial step"]


class Shown(NamedTuple):
    """What a network is shown, for a picture.

    kind: of picture, see `icl.analysis.figures.shown.PICTURES`.
    content: what that picture is drawn from.
    """

    kind: str
    content: Any


Aux = dict[str, Any]
"""Intermediates by name ("block0/attention"); what nobody reads, XLA removes."""


class Variables(NamedTuple):
    """The numbers of a network, as nested dictionaries of arrays by name.

    params: what is trained.
    state: what is not: running statistics of batch norm, frozen encoders.
    """

    params: dict[str, Any]
    state: dict[str, Any]
