"""Knobs made from settings: the traced numbers that sequences are drawn with."""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from icl.config import DataConfig
from icl.config.sources import ENDLESS_CLASSES, MarkovSource
from icl.data.classes import class_thresholds, make_guide
from icl.data.frequencies import class_weights
from icl.types import ClassDistribution, Knobs

# Entries of the table of probabilities for classes without end.
TABLE_CAPACITY = 2**16


def make_knobs(
    data: DataConfig, num_source_classes: int, num_exemplars: int | Int[np.ndarray, " class"]
) -> Knobs:
    """The traced part of the distribution.

    num_source_classes: number of classes in the source; the last of them are held out.
    num_exemplars: number of exemplars of each class that are trained on; an array where classes
        differ.

    Raises UserError where a file of class probabilities is missing or broken.
    """
    weights = np.cumsum(list(data.weights.values()))
    rate = min(round(data.drift_rate * 2**32), 2**32 - 1)
    has_pairs = data.num_holdout_pairs > 0
    num_permuted = data.num_permuted_labels or data.num_trained_labels
    num_classes, num_meanings = data.num_classes, data.num_meanings
    if isinstance(data.source, MarkovSource):
        # The symbols of a chain are not classes, and no class owns its labels.
        num_classes, num_meanings = 0, data.source.num_symbols
    noisy, drifts, blocked = data.noise_scale > 0, data.drift_rate > 0, data.num_blocks > 1
    return Knobs(
        weights=jnp.asarray(weights / weights[-1], jnp.float32),
        pools=_make_pools(data, num_source_classes),
        step=jnp.int32(0),
        num_classes=jnp.int32(num_classes),
        num_trained_labels=jnp.int32(data.num_trained_labels),
        first_holdout_class=jnp.int32(num_source_classes - data.num_holdout_classes),
        label_multiplicity=jnp.int32(data.label_multiplicity),
        num_exemplars=jnp.int32(num_exemplars),
        num_holdout_exemplars=jnp.int32(data.num_holdout_exemplars),
        num_permuted_labels=jnp.int32(num_permuted),
        num_meanings=jnp.int32(num_meanings) if num_meanings else None,
        num_blocks=jnp.int32(data.num_blocks) if blocked else None,
        block_steps=jnp.int32(data.block_steps) if blocked else None,
        p_relevant=jnp.float32(data.p_relevant) if data.p_relevant < 1 else None,
        p_matched_exemplar=_positive(data.p_matched_exemplar),
        p_copied_exemplar=_positive(data.p_copied_exemplar),
        label_noise=_positive(data.label_noise),
        cue_reliability=jnp.float32(data.cue_reliability) if data.cue_reliability < 1 else None,
        drift_rate=jnp.uint32(rate) if drifts else None,
        drift_seed=jnp.uint32(data.split_seed) if drifts else None,
        label_pairs=_label_pairs(num_permuted, data.split_seed) if has_pairs else None,
        num_holdout_pairs=jnp.int32(data.num_holdout_pairs) if has_pairs else None,
        noise_scale=jnp.float32(data.noise_scale) if noisy else None,
        first_rare_class=(
            jnp.int32(data.num_common_classes) if data.random_rare_exemplars else None
        ),
    )


def _positive(value: float) -> Array | None:
    return jnp.float32(value) if value > 0 else None


def _make_pools(data: DataConfig, num_source_classes: int) -> dict[str, ClassDistribution]:
    """The pools of classes, by name."""
    n, common = data.num_classes, min(data.num_common_classes, data.num_classes)
    # The table's size does not depend on the number of training classes, which may vary.
    is_endless = num_source_classes == ENDLESS_CLASSES
    capacity = max(n, TABLE_CAPACITY if is_endless else num_source_classes)
    thresholds = class_thresholds(class_weights(data), capacity)
    table = jnp.asarray(thresholds), jnp.asarray(make_guide(thresholds))

    def pool(
        first: int, size: int, table: tuple[Array | None, Array | None] = (None, None)
    ) -> ClassDistribution:
        return ClassDistribution(jnp.int32(first), jnp.int32(size), *table)

    held_out = data.num_holdout_classes
    return {
        "train": pool(0, n, table),
        "uniform": pool(0, n),
        "common": pool(0, common),
        "rare": pool(common, n - common),
        "common_zipfian": pool(0, common, table),
        "rare_zipfian": pool(common, n - common, table),
        "holdout": pool(num_source_classes - held_out, held_out),
        "novel": pool(n, num_source_classes - held_out - n),
    }


def _label_pairs(num_labels: int, seed: int) -> Int[Array, "pair 2"]:
    """All pairs of labels in an order fixed by the seed that splits classes."""
    first, second = np.triu_indices(num_labels, 1)
    order = np.random.default_rng(seed).permutation(math.comb(num_labels, 2))
    return jnp.asarray(np.stack([first, second], axis=1)[order], jnp.int32)
