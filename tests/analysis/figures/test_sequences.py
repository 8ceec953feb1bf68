"""Pictures of sequences: colours as they are, grey as ink."""

import io

import numpy as np
import pytest
from PIL import Image

from icl.analysis.figures.sequences import draw_rows
from icl.types import ShownSequence

RED = np.array([1.0, 0.0, 0.0])


@pytest.mark.parametrize(
    ("pixel", "drawn"),
    [
        (RED, (255, 0, 0)),
        (2 * RED - 0.5, (255, 0, 0)),  # noise is clipped
        (np.append(RED, 1.0), (255, 0, 0)),
        (np.array(1.0), (0, 0, 0)),
        (np.array([1.0]), (0, 0, 0)),
        (np.array([0.9, 1.1]), (0, 0, 0)),
    ],
    ids=["colour", "noisy", "opaque", "grey", "one channel", "two channels"],
)
def test_images_have_their_colours(pixel, drawn):
    items = np.broadcast_to(pixel, (3, 4, 4, *pixel.shape))
    row = ShownSequence("", "name", items, np.arange(3), np.array([False, True, True]))
    picture = np.asarray(Image.open(io.BytesIO(draw_rows([row]))).convert("RGB"))
    assert (picture == drawn).all(axis=-1).mean() > 0.1
