"""The label with the most votes, where each vote is drawn independently."""

import math

import numpy as np
from jaxtyping import Float

# The formula takes long for more votes.
MAX_VOTES = 24


def most_frequent(votes: int, special: int, p_special: float, others: int, p_other: float) -> float:
    """Probability that the most frequent label, chosen at random among ties, is a special one.

    Each vote is for any one special label with probability p_special, and for any one other label
    with p_other. The sum runs over j, the largest number of votes, and g special and h other
    labels that have it, by exponential generating functions.
    """
    total = 0.0
    for j in range(1, votes + 1):
        specials, rest = (
            [_reached(size, g, j, p, votes) for g in range(min(size, votes // j) + 1)]
            for size, p in ((special, p_special), (others, p_other))
        )
        for g, first in enumerate(specials):
            for h, second in enumerate(rest):
                left = votes - j * (g + h)
                if g == 0 or left < 0:
                    continue
                ways = np.dot(first[: left + 1], second[left::-1])
                total += g / (g + h) * float(ways)
    return total * math.factorial(votes)


def _reached(
    size: int, winners: int, j: int, p: float, degree: int
) -> Float[np.ndarray, " degree"]:
    """Coefficients of the votes of losers, where `winners` of `size` labels have j votes each."""
    below = np.array([p**i / math.factorial(i) for i in range(min(j, degree + 1))])
    power = np.zeros(degree + 1)
    power[0] = 1.0
    n = size - winners
    for k in range(1, degree + 1):  # the power of a series by its logarithmic derivative
        i = np.arange(1, min(k, len(below) - 1) + 1)
        power[k] = np.sum((n * i - (k - i)) * below[i] * power[k - i]) / k
    return math.comb(size, winners) * (p**j / math.factorial(j)) ** winners * power
