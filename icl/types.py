"""The data that flows between the parts, and the names of their axes.

Shapes use these axis names throughout: `class` and `exemplar` (of an exemplar bank); `batch`;
`item` (context items, then the query: context_len + 1); `context` (context_len);
`token` (2 * context_len + 1); `width`, `head`, `label`; for tasks `step`, `channel`, `output`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int, PyTree, Shaped, UInt32


@dataclass(frozen=True)
class ExemplarBank:
    """All exemplars of all classes, on the host: uint8 images where 255 is full ink, or features.

    Do not write to a bank after `put_on_device`: on a CPU the device uses the same memory.

    names: one for each class, for people to read.
    num_exemplars: of each class, the first ones; the others are padding. None: all.
    """

    exemplars: Shaped[np.ndarray, "class exemplar *shape"]
    names: tuple[str, ...]
    num_exemplars: Int[np.ndarray, " class"] | None = None


@dataclass(frozen=True)
class ExemplarMaker:
    """A function that makes exemplars on the device from their numbers, without end.

    make: from two integers (class, exemplar) to one exemplar, always the same one.
    """

    make: Callable[[Int[Array, ""], Int[Array, ""]], Shaped[Array, "*shape"]]
    num_classes: int
    num_exemplars: int


@dataclass(frozen=True)
class Exemplars:
    """Exemplars on the device, from any source, in the order that splits take classes in.

    arrays: what `fetch` reads. It is an argument of compiled programs, never a constant in them.
    fetch: from (arrays, classes, exemplars), integers of one shape [...], to items
        [..., *shape]: images as float32 where full ink is 1, features as float32, symbols as int32.
    num_exemplars: of the class that has most.
    own_counts: number of exemplars of each class, in the order of splits. None: all have as many.
    """

    arrays: PyTree
    fetch: Callable[[PyTree, Int[Array, "..."], Int[Array, "..."]], Shaped[Array, "..."]]
    num_classes: int
    num_exemplars: int
    shape: tuple[int, ...]
    own_counts: Int[np.ndarray, " class"] | None = None


class ClassDistribution(NamedTuple):
    """A pool: a distribution over the classes `first` .. `first + size - 1`.

    thresholds: cumulative probabilities of classes from 0 on, in units of 2**-32 (see
        `icl.data.classes`); the distribution is conditional on the classes above. None: uniform.
    guide: where a search of the thresholds begins. Only speed depends on it.
    """

    first: Int[Array, ""]
    size: Int[Array, ""]
    thresholds: UInt32[Array, " class"] | None = None
    guide: Int[Array, " bucket"] | None = None


class Knobs(NamedTuple):
    """Traced settings of the distribution: those that change no shape.

    A knob that is None is off, and its code is left out of the program.

    weights: cumulative probabilities of the families in the training mixture.
    pools: distributions over classes, by the pool's name.
    step: number of training steps made. Only drift and blocks depend on it.
    num_exemplars: trained on; of each class where classes differ in it, of all otherwise.
    num_meanings: distinct meanings shared by all classes; None: each class has its own. A meaning
        is the number that a class's labels are made from (`icl.data.labels`).
    drift_rate: new meanings of a class for each step, in units of 2**-32.
    label_pairs: pairs of labels in random order; the last are never permuted together in training.
    """

    weights: Float[Array, " family"]
    pools: dict[str, ClassDistribution]
    step: Int[Array, ""]
    num_classes: Int[Array, ""]
    num_trained_labels: Int[Array, ""]
    first_holdout_class: Int[Array, ""]
    label_multiplicity: Int[Array, ""]
    num_exemplars: Int[Array, "*class"]
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

    synonyms: number of labels that mean the same. A prediction is right if
        `labels[-1] // synonyms == prediction // synonyms`. This is the label multiplicity where
        classes have their own labels, and 1 where labels are assigned for this sequence.
    family: index of its family in a mixture; 0 outside mixtures.
    """

    classes: Int[Array, "*batch item"]
    exemplars: Int[Array, "*batch item"]
    labels: Int[Array, "*batch item"]
    synonyms: Int[Array, "*batch"]
    family: Int[Array, "*batch"]


class Sequence(NamedTuple):
    """A batch of inputs of a network, with the label that it has to predict.

    exemplars: the items themselves, float32, or int32 for symbols: the context in order, then the
        query.
    labels: the labels of the context, then the query's, which no network may read.
    bits: random bits for networks with random positions; None: no random bits.
    """

    exemplars: Shaped[Array, "batch item *shape"]
    labels: Int[Array, "batch item"]
    bits: UInt32[Array, " batch"] | None = None


class Batch(NamedTuple):
    """Sequences as a network sees them, and as integers where they were drawn.

    exemplars, labels, bits: see `Sequence`.
    indices: which classes and exemplars they are; None: sequences of one's own.
    """

    exemplars: Shaped[Any, "batch item *shape"]
    labels: Int[Any, "batch item"]
    bits: UInt32[Any, " batch"] | None = None
    indices: IndexSequence | None = None


class Trials(NamedTuple):
    """A batch of trials. Accuracy is measured at the last step.

    targets: the right output at each step.
    weights: weight of each step in the loss, sum(weights * cross-entropy) / sum(weights).
    """

    inputs: Float[Array, "batch step channel"]
    targets: Int[Array, "batch step"]
    weights: Float[Array, "batch step"]


class TaskKnobs(NamedTuple):
    """Traced settings of a task: those that change no shape.

    A knob that is None is off, and its code is left out of the program.

    noise: standard deviation at one step, of stimuli while they are shown, or of pixels.
    cue_noise: standard deviation of the fixation and context inputs while stimuli are shown.
    coherences: in percent; each trial has one of them at random.
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
    """Trials of a picture.

    channels, outputs: the kinds of inputs and outputs in order, each with its number; empty: they
        have no names.
    """

    inputs: Float[np.ndarray, "trial step channel"]
    targets: Int[np.ndarray, "trial step"]
    channels: tuple[tuple[str, int], ...] = ()
    outputs: tuple[tuple[str, int], ...] = ()


class Shown(NamedTuple):
    """Inputs of a network, for a picture.

    kind: of picture, see `icl.analysis.figures.shown.PICTURES`.
    content: what that picture is drawn from.
    """

    kind: str
    content: Any


class Masked(NamedTuple):
    """Numbers of which some may be undefined, such as a share of nothing; records hold null there.

    Compiled programs return the mask, and no NaN: a NaN in their results is a fault, which
    `jax_debug_nans` may look for.

    values: finite numbers where undefined, which mean nothing.
    """

    values: Float[Array, "*axes"]
    is_defined: Bool[Array, "*axes"]


def with_nan(tree: PyTree) -> PyTree:
    """A tree with arrays on the host in place of `Masked` numbers, NaN where undefined."""

    def filled(leaf: Any) -> Any:
        if not isinstance(leaf, Masked):
            return leaf
        values = np.asarray(leaf.values)
        return np.where(leaf.is_defined, values, np.array(np.nan, values.dtype))

    return jax.tree.map(filled, tree, is_leaf=lambda leaf: isinstance(leaf, Masked))


Aux = dict[str, Any]
"""Intermediates by name ("block0/attention"). XLA removes those that nobody reads."""


class Variables(NamedTuple):
    """The numbers of a network, as nested dictionaries of arrays by name.

    params: trained arrays.
    state: all others: running statistics of batch norm, frozen encoders.
    """

    params: dict[str, Any]
    state: dict[str, Any]
