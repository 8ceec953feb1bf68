"""Measures of how hard a bank of images is, for tests: its ink, and how well pixels alone classify.

Tests compare made-up characters with Omniglot by these numbers. Where they agree, both banks ask
the same of a network: comparing pixels solves neither, and neither is noise.
"""

import numpy as np
from jaxtyping import Shaped


def ink_fraction(exemplars: Shaped[np.ndarray, "class exemplar *shape"]) -> float:
    """Mean value of a pixel, 1 being full ink (255)."""
    return float(exemplars.mean(dtype=np.float64)) / 255


def nearest_neighbour_accuracy(
    rng: np.random.Generator,
    exemplars: Shaped[np.ndarray, "class exemplar *shape"],
    ways: int,
    shots: int,
    num_episodes: int,
) -> float:
    """Accuracy of the Euclidean nearest neighbour in few-shot episodes; chance is 1 / ways.

    An episode has `ways` distinct classes, `shots` distinct exemplars of each as support, and
    as query a further exemplar of one of them. Its standard error is at most
    1 / (2 sqrt(num_episodes)). Features (floats) are compared as they are, images as pixels.
    """
    num_classes, num_exemplars = exemplars.shape[:2]
    correct = 0
    for _ in range(num_episodes):
        classes = rng.choice(num_classes, ways, replace=False)
        drawn = rng.permuted(np.tile(np.arange(num_exemplars), (ways, 1)), axis=1)
        support = exemplars[classes[:, None], drawn[:, :shots]].reshape(ways * shots, -1)
        # The first class stands for any: nothing above depends on the order of classes.
        query = exemplars[classes[0], drawn[0, shots]].reshape(-1)
        squares = np.square(support.astype(np.float32) - query.astype(np.float32)).sum(axis=1)
        correct += bool(squares.argmin() < shots)
    return correct / num_episodes
