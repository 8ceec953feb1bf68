"""The networks of the papers have the papers' parameters."""

import numpy as np
import pytest

from icl.config.yaml import load_config
from icl.problems.cost import num_parameters

from ..conftest import QUICKSTART

IMAGES, VECTORS = np.zeros((4, 105, 105), np.float32), np.zeros((4, 512), np.float32)
ITEMS = np.zeros((4, 63), np.float32)
ENCODER = 22_176 + 1_623 * 64  # the residual network and the label table of Chan et al.


@pytest.mark.parametrize(
    ("config", "examples", "parameters"),
    [
        ("chan2022/base.yaml", IMAGES, 126_048 + 705_431),
        ("chan2022/lstm.yaml", IMAGES, ENCODER + 501_783),
        # The embedder's map and bias; labels; norms and attention without biases, twice; norm;
        # readout.
        (
            "singh2024/base.yaml",
            VECTORS,
            513 * 64 + 5 * 64 + 2 * (128 + 4 * 64**2) + 128 + 65 * 5,
        ),
        (
            "singh2025/base.yaml",
            VECTORS,
            513 * 64 + 12_800 * 64 + 32 * 64 + 2 * (128 + 4 * 64**2) + 128 + 65 * 12_800,
        ),
        # Three maps a layer; three maps with a number each; the readout.
        ("reddy2023/base.yaml", ITEMS, 6 * 128**2 + 3 * (128**2 + 1) + 128 * 32),
        # Norm and three maps; three layers; two logits for their one.
        (
            "nguyen2024/base.yaml",
            ITEMS,
            2 * 65 + 3 * 65**2 + 66 * 512 + 2 * 513 * 512 + 513 * 2,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_networks_of_the_papers(config: str, examples: np.ndarray, parameters: int):
    assert num_parameters(load_config(QUICKSTART.parent / config), examples) == parameters
