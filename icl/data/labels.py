"""Labels of classes: a class's own, one or several, or labels assigned for one sequence.

A class has a meaning, a number; classes may share one. Each meaning owns `label_multiplicity`
labels, which are synonyms: if one of them is the target, an answer with any of them is right.
"""

import jax.numpy as jnp
from jaxtyping import Array, Int, UInt32

from icl.data.bits import RandomBits, happens, random_order, uniform_below
from icl.data.classes import distinct_below, draw_classes
from icl.types import Knobs


def meanings_of(classes: Int[Array, "*shape"], knobs: Knobs) -> Int[Array, "*shape"]:
    """The meaning of each class: the number that its labels are made from.

    Class c of n training classes has meaning n - 1 - c, so that the rarest classes have the first
    labels, as in the code of Chan et al. 2022; held-out classes come after. Where classes share
    meanings, class c has meaning c modulo their number (Reddy 2023). With `drift_rate`, meanings
    are redrawn during training.
    """
    if knobs.num_meanings is not None:
        meanings, count = classes % knobs.num_meanings, knobs.num_meanings
    else:
        held_out = knobs.num_classes + classes - knobs.first_holdout_class
        is_trained = classes < knobs.num_classes
        meanings, count = (
            jnp.where(is_trained, knobs.num_classes - 1 - classes, held_out),
            knobs.num_classes,
        )
    if knobs.drift_rate is None:
        return meanings
    times = times_redrawn(classes, knobs)
    assert knobs.drift_seed is not None
    redrawn = uniform_below(_hash(classes, times, knobs.drift_seed), count).astype(jnp.int32)
    return jnp.where((times > 0) & (classes < knobs.num_classes), redrawn, meanings)


def times_redrawn(classes: Int[Array, "*shape"], knobs: Knobs) -> UInt32[Array, "*shape"]:
    """Number of times that the meaning of each class has been redrawn by the present step.

    It is redrawn every 1 / rate steps, for each class at its own time:
    floor(step * rate + phase), in integers.
    """
    assert knobs.drift_rate is not None
    assert knobs.drift_seed is not None
    step = knobs.step.astype(jnp.uint32)
    whole, rest = uniform_below(step, knobs.drift_rate), step * knobs.drift_rate
    phase = _hash(classes, jnp.zeros_like(classes, jnp.uint32), knobs.drift_seed + 1)
    return whole + (rest > ~phase)


def _hash(
    classes: Int[Array, "*shape"], times: UInt32[Array, "*shape"], seed: UInt32[Array, ""]
) -> UInt32[Array, "*shape"]:
    """Hash to 32 bits that look random: MurmurHash3's finaliser, once for each input."""

    def mix(bits: Array) -> Array:
        bits = (bits ^ (bits >> 16)) * jnp.uint32(0x85EBCA6B)
        bits = (bits ^ (bits >> 13)) * jnp.uint32(0xC2B2AE35)
        return bits ^ (bits >> 16)

    bits = mix(seed + jnp.uint32(0x9E3779B9))
    bits = mix(bits ^ classes.astype(jnp.uint32))
    return mix(bits + times * jnp.uint32(0x9E3779B9))


def own_labels(
    bits: UInt32[Array, "*shape"], classes: Int[Array, "*shape"], knobs: Knobs
) -> Int[Array, "*shape"]:
    """Draw one of each class's own labels: m * K + 0 .. K - 1 for meaning m and multiplicity K.

    Label multiplicity is the "dynamic meaning" of Chan et al. 2022: the larger it is, the less a
    class determines its label.
    """
    multiplicity = knobs.label_multiplicity
    drawn = uniform_below(bits, multiplicity).astype(jnp.int32)
    return meanings_of(classes, knobs) * multiplicity + drawn


def labels_of_sequence(
    kind: str, bits: RandomBits, classes: Int[Array, " k"], ways: int, knobs: Knobs
) -> tuple[Int[Array, " k"], Int[Array, ""]]:
    """A label for each class of a sequence, and the number of its synonyms, itself included.

    kind: as in `icl.config.families.Labels`.
    ways: number of classes, the first ones, whose labels `flipped` exchanges.
    """
    count = len(classes)
    one = jnp.int32(1)
    if kind in ("own", "flipped"):
        labels = own_labels(bits.take(count), classes, knobs)
        if kind == "flipped":
            labels = jnp.concatenate([jnp.roll(labels[:ways], 1), labels[ways:]])
        return labels, knobs.label_multiplicity
    if kind == "assigned":
        return random_order(bits.take(count)), one
    if kind in ("permuted", "holdout_pairs"):
        if knobs.label_pairs is None:
            return distinct_below(bits.take(count), knobs.num_permuted_labels), one
        return _pair(bits, kind == "holdout_pairs", knobs), one
    others = draw_classes(bits.take(count), knobs.pools[kind])
    return own_labels(bits.take(count), others, knobs), one


def _pair(bits: RandomBits, held_out: bool, knobs: Knobs) -> Int[Array, "2"]:
    """A random pair of labels, trained or held out, in random order."""
    assert knobs.label_pairs is not None
    assert knobs.num_holdout_pairs is not None
    num_pairs = knobs.num_permuted_labels * (knobs.num_permuted_labels - 1) // 2
    trained = num_pairs - knobs.num_holdout_pairs
    pair_bits = bits.take(2)
    index = uniform_below(pair_bits[0], knobs.num_holdout_pairs if held_out else trained)
    pair = knobs.label_pairs[index.astype(jnp.int32) + (trained if held_out else 0)]
    return jnp.where(pair_bits[1] >> 31, pair[::-1], pair)


def with_label_noise(
    labels: Int[Array, " item"], bits: RandomBits, knobs: Knobs
) -> Int[Array, " item"]:
    """Replace some labels of a training sequence by uniform draws from all trained labels.

    `label_noise` is the probability for every item, the query too (Chan B. et al. 2024);
    1 - `cue_reliability` is the probability for items of the context (Ku et al. 2025).
    """
    count = len(labels)
    if knobs.label_noise is not None:
        drawn = uniform_below(bits.take(count), knobs.num_trained_labels).astype(jnp.int32)
        labels = jnp.where(happens(bits.take(count), knobs.label_noise), drawn, labels)
    if knobs.cue_reliability is not None:
        drawn = uniform_below(bits.take(count), knobs.num_trained_labels).astype(jnp.int32)
        is_reliable = happens(bits.take(count), knobs.cue_reliability)
        is_query = jnp.arange(count) == count - 1
        labels = jnp.where(is_reliable | is_query, labels, drawn)
    return labels
