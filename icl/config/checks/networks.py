"""Checks that a network can read its training data: a line for each mistake."""

import math

from icl.config.data_settings import DataSettings
from icl.config.evaluation import EvaluationConfig
from icl.config.families import BurstyFamily, FewShotFamily
from icl.config.networks import LearnedPositions, NetworkConfig, ShiftedPositions
from icl.config.parts import PARTS
from icl.config.sources import IMAGE_RANKS
from icl.config.training import TrainingConfig

OF_IMAGES = ("linear", "mlp", "pca", "conv", "resnet", "identity")
# Embedders of a symbol (a whole number), a vector, a grey image, an image with channels.
EMBEDDERS_BY_RANK = {
    0: ("one_hot", "table"),
    1: ("linear", "mlp", "pca", "identity"),
    2: OF_IMAGES,
    3: OF_IMAGES,
}


# Those that read an array of any rank but 0.
FLATTENING = ("linear", "mlp", "pca", "identity")


def embedders_of(rank: int | None) -> tuple[str, ...]:
    """The embedders of exemplars of a rank; a registered one may name its `ranks`.

    rank: None: only a file has it.
    """
    built_in = OF_IMAGES if rank is None else EMBEDDERS_BY_RANK.get(rank, FLATTENING)
    registered = (
        name
        for name, part in PARTS["embedder"].items()
        if rank is None or rank in getattr(part.settings, "ranks", (rank,))
    )
    return (*built_in, *registered)


def embedder_errors(
    model: NetworkConfig, data: DataSettings, shape: tuple[int, ...] | None
) -> list[str]:
    """Mistakes of an embedder that cannot read the exemplars of the source.

    shape: of an exemplar; None: only a file has it.
    """
    embedder = model.embedder
    kinds = embedders_of(None if shape is None else len(shape))
    if embedder.kind not in kinds:
        found = f", whose exemplars are {list(shape)}" if shape and not data.source.shape else ""
        return [
            f"model.embedder.kind = {embedder.kind}; allowed for data.source "
            f"({data.source.kind}{found}): {', '.join(kinds)}"
        ]
    if shape is None:
        return []
    if model.max_shift and len(shape) not in IMAGE_RANKS:
        return [
            f"model.max_shift = {model.max_shift}; allowed: 0, except for images (omniglot, "
            "glyphs, your own)"
        ]
    size = math.prod(shape)
    if embedder.kind == "identity" and size != model.item_width:
        return [
            f"model.embedder.kind = identity, with {size} numbers in an exemplar; allowed: other "
            f"kinds, because model.width leaves room for {model.item_width} numbers"
        ]
    if embedder.kind == "pca" and data.source.num_exemplars is not None:
        exemplars = data.num_exemplars or data.source.num_exemplars
        most = min(size, data.num_classes * exemplars)
        if embedder.num_components > most:
            return [
                f"model.embedder.num_components = {embedder.num_components}; allowed: at most "
                f"{most}, the smaller of the pixels and the exemplars of training classes"
            ]
    return []


def token_errors(
    model: NetworkConfig,
    data: DataSettings,
    evaluation: EvaluationConfig,
    training: TrainingConfig,
) -> list[str]:
    """Mistakes of tokens without room for all positions and labels, or without a loss."""
    positions, num_labels = model.positions, data.num_labels
    errors = []
    longest = longest_context(data, evaluation)
    tokens = longest + 1 if model.tokens == "concatenated" else 2 * longest + 1
    of_longest = f"allowed: at least {tokens}, the tokens of the longest sequence"
    if isinstance(positions, LearnedPositions) and positions.max_tokens < tokens:
        errors.append(f"model.positions.max_tokens = {positions.max_tokens}; {of_longest}")
    if isinstance(positions, ShiftedPositions) and positions.size < tokens:
        errors.append(f"model.positions.size = {positions.size}; {of_longest}")
    if model.labels == "one_hot" and model.label_width < num_labels:
        errors.append(
            f"model.labels = one_hot, with {num_labels} labels; allowed: table, fixed, because "
            f"model.width leaves room for {model.label_width} numbers"
        )
    if training.interim_weight and model.tokens == "concatenated":
        errors.append(
            f"training.interim_weight = {training.interim_weight}; allowed: 0 where "
            "model.tokens = concatenated, as an item then comes with its label"
        )
    return errors


def longest_context(data: DataSettings, evaluation: EvaluationConfig) -> int:
    """The number of pairs in the longest context of training and conditions."""
    lengths = [data.context_len]
    for name in evaluation.conditions:
        family = None if name == "train" else data.family(name)
        if isinstance(family, BurstyFamily | FewShotFamily):
            lengths.append(sum(data.pattern_of(family, evaluation)))
        elif family is not None:
            lengths.append(family.context_len or data.context_len)
    return max(lengths)
