"""Statistical assertions, each with a stated rate of false alarms.

An assertion here fails with probability about ALPHA when the sampler is right. Seeds in the tests
are fixed, so what has passed once passes until the sampler or its seed changes; with some
hundreds of assertions in the suite, such a change raises a false alarm about once in 10,000 times.
"""

import numpy as np
from scipy import stats

ALPHA = 1e-6

# Cells expecting fewer observations are pooled: the chi-square tail is poor below.
MIN_EXPECTED = 10


def assert_same_distribution(observed, expected_probs, alpha: float = ALPHA) -> None:
    """Counts in cells come from these probabilities: Pearson's chi-square test.

    What cannot happen must not have happened, not even once.
    """
    observed = np.asarray(observed, np.float64).ravel()
    probs = np.asarray(expected_probs, np.float64).ravel()
    assert observed.shape == probs.shape, (observed.shape, probs.shape)
    assert abs(probs.sum() - 1) < 1e-6, f"probabilities sum to {probs.sum()}"
    assert not observed[probs == 0].any(), "the impossible was observed"
    expected = probs / probs.sum() * observed.sum()
    observed, expected = _pool([observed, expected], expected)
    if len(observed) == 1:
        return
    statistic = np.sum((observed - expected) ** 2 / expected)
    p_value = stats.chi2.sf(statistic, len(observed) - 1)
    assert p_value >= alpha, f"chi-square {statistic:.1f}, {len(observed) - 1} df, p {p_value:.2g}"


def assert_same_samples(first, second, alpha: float = ALPHA) -> None:
    """Two samples of integers come from one distribution: chi-square test of homogeneity."""
    values, index = np.unique(np.concatenate([first, second]), return_inverse=True)
    counts = [
        np.bincount(part, minlength=len(values)).astype(np.float64)
        for part in np.split(index.ravel(), [len(first)])
    ]
    total = len(first) + len(second)
    smaller = min(len(first), len(second)) / total * (counts[0] + counts[1])
    pooled = _pool(counts, smaller)
    assert_independent(pooled, alpha)


def assert_independent(table, alpha: float = ALPHA) -> None:
    """Rows and columns of a table of counts are independent: Pearson's chi-square test."""
    table = np.asarray(table, np.float64)
    table = table[table.sum(1) > 0][:, table.sum(0) > 0]
    if 1 in table.shape:
        return
    statistic, p_value, df, _ = stats.chi2_contingency(table, correction=False)
    assert p_value >= alpha, f"chi-square {statistic:.1f}, {df} df, p {p_value:.2g}"


def assert_proportion(successes, trials, probability: float, alpha: float = ALPHA) -> None:
    """Independent trials succeed with this probability: the exact binomial test."""
    p_value = stats.binomtest(int(successes), int(trials), float(probability)).pvalue
    assert p_value >= alpha, (
        f"{successes} of {trials} = {successes / trials:.4g}, expected {probability:.4g}, "
        f"p {p_value:.2g}"
    )


def _pool(rows, sizes):
    """Put the smallest cells together until every cell is of size MIN_EXPECTED or more."""
    order = np.argsort(sizes, kind="stable")
    cumulative = np.cumsum(sizes[order])
    num_pooled = int(np.searchsorted(sizes[order], MIN_EXPECTED))
    while 0 < num_pooled < len(order) and cumulative[num_pooled - 1] < MIN_EXPECTED:
        num_pooled += 1
    if num_pooled == 0:
        return [np.asarray(row) for row in rows]
    pooled, kept = order[:num_pooled], order[num_pooled:]
    return [np.append(row[kept], row[pooled].sum()) for row in rows]
