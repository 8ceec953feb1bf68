"""Useful floating-point operations: those that a training step cannot do without.

Only matrix products count (2 operations for each multiply-add), with the last block at the query
only and the lower triangle of attention only. Norms, activations and the optimiser count as 0.
"""

import math

from icl.config import ExperimentConfig


def training_flops_per_sequence(config: ExperimentConfig) -> int:
    """Operations of training: three times the forward pass, less the gradient of the pixels."""
    items = config.data.context_len + 1
    embedder, pixel_layer = _embedder_flops(config)
    forward = items * embedder + _transformer_flops(config)
    return 3 * forward - items * pixel_layer


def _embedder_flops(config: ExperimentConfig) -> tuple[int, int]:
    """Operations for one exemplar: all layers, and the first, whose input needs no gradient."""
    embedder, width = config.model.embedder, config.model.width
    pixels = math.prod(config.data.source.shape or ())
    if embedder.kind == "linear":
        return 2 * pixels * width, 2 * pixels * width
    if embedder.kind == "mlp":
        first = 2 * pixels * embedder.hidden_dim
        return first + 2 * embedder.hidden_dim * width, first
    raise ValueError(f"no count of operations for the embedder {embedder.kind}")


def _transformer_flops(config: ExperimentConfig) -> int:
    """Forward operations for one sequence."""
    model = config.model
    width, tokens = model.width, 2 * config.data.context_len + 1
    projection = 2 * width * width
    mlp = 2 * projection * model.mlp_ratio
    seen = math.comb(tokens + 1, 2)  # pairs of a token and one that it attends to
    whole_block = tokens * (4 * projection + mlp) + 2 * 2 * width * seen
    last_block = tokens * 2 * projection + 2 * projection + mlp + 2 * 2 * width * tokens
    readout = 2 * width * config.data.num_labels
    return (model.num_layers - 1) * whole_block + last_block + readout
