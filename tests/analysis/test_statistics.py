"""Intervals against SciPy and by simulation; pairs; effect sizes."""

import numpy as np
import pytest
import xarray
from scipy import stats

from icl.analysis.statistics import (
    INTERVALS,
    band,
    bootstrap_interval,
    effect_size,
    paired_difference,
    rank_correlation,
    t_interval,
)

VALUES = np.array([0.61, 0.72, 0.58, 0.66, 0.69])


def test_the_t_interval_is_students():
    estimate = t_interval(VALUES)
    sem = VALUES.std(ddof=1) / np.sqrt(5)
    low, high = stats.t.interval(0.95, 4, VALUES.mean(), sem)
    assert estimate.mean == pytest.approx(VALUES.mean())
    assert (estimate.low, estimate.high) == pytest.approx((low, high))
    assert (estimate.num_seeds, estimate.left_out) == (5, 0)


def test_the_rank_correlation_is_spearmans_over_all_cells_of_a_seed():
    rng = np.random.default_rng(0)
    one, other = (
        xarray.DataArray(rng.integers(9, size=(2, 5, 3)).astype(float), dims=("a", "b", "seed"))
        for _ in range(2)
    )
    found = rank_correlation(one, other.transpose("b", "seed", "a"))
    for seed in range(3):
        x, y = (values.isel(seed=seed).values.ravel() for values in (one, other))
        ranks = [stats.rankdata(values) for values in (x, y)]
        assert float(found[seed]) == pytest.approx(np.corrcoef(ranks)[0, 1])
    assert np.isnan(rank_correlation(one.where(one != one[0, 0, 1]), other)[1])
    assert np.isnan(rank_correlation(xarray.ones_like(one), other)).all()
    assert np.isnan(rank_correlation(1 + 1e-7 * one, other)).all()
    assert np.isnan(rank_correlation(one[:, :1], other[:, :1])).all()  # two cells
    assert (rank_correlation(one, xarray.ones_like(other)) == 0).all()  # in no order


def test_an_outlier_makes_no_ties():
    one = xarray.DataArray([[1.0], [2], [3], [4]], dims=("a", "seed"))
    other = one.copy(data=[[0.1], [0.2], [0.3], [1e5]])
    assert float(rank_correlation(one, other)[0]) == pytest.approx(1)


@pytest.mark.parametrize("rounding", [0.0, 1e-8, -1e-8])
def test_numbers_that_differ_by_rounding_are_ties(rounding: float):
    one = np.array([[1.0], [1 + rounding], [1 + 2 * rounding], [2], [2 + rounding], [2.0]])
    other = np.array([[1.0], [2], [3], [4], [5], [6]])
    found = rank_correlation(*(xarray.DataArray(of, dims=("a", "seed")) for of in (one, other)))
    assert float(found[0]) == pytest.approx(stats.spearmanr([1, 1, 1, 2, 2, 2], range(6)).statistic)


def test_the_bootstrap_is_scipys_and_the_same_each_time():
    estimate = bootstrap_interval(VALUES)
    rng = np.random.default_rng(0)
    ends = stats.bootstrap((VALUES,), np.mean, method="BCa", rng=rng).confidence_interval
    assert (estimate.low, estimate.high) == pytest.approx((ends.low, ends.high))
    assert estimate == bootstrap_interval(VALUES)
    assert "BCa" in estimate.kind


def test_a_bootstrap_of_equal_seeds_says_that_it_is_by_percentiles():
    estimate = bootstrap_interval(np.full(4, 0.5))
    assert (estimate.low, estimate.high) == (0.5, 0.5)
    assert "percentile" in estimate.kind


@pytest.mark.parametrize("kind", INTERVALS)
@pytest.mark.parametrize("values", [[0.5], [np.nan, 0.5], [np.nan], []])
def test_one_seed_or_none_gives_no_interval(kind: str, values: list[float]):
    estimate = INTERVALS[kind](np.array(values, dtype=float))
    assert np.isnan([estimate.low, estimate.high]).all()
    assert estimate.num_seeds + estimate.left_out == len(values)


@pytest.mark.parametrize("kind", INTERVALS)
def test_seeds_without_a_number_are_left_out_and_counted(kind: str):
    with_gaps = np.array([np.nan, *VALUES, np.nan])
    estimate, whole = INTERVALS[kind](with_gaps), INTERVALS[kind](VALUES)
    assert estimate[:3] == whole[:3]
    assert (estimate.num_seeds, estimate.left_out) == (5, 2)


def test_95_percent_of_t_intervals_hold_the_truth():
    samples = np.random.default_rng(1).normal(0.3, 0.1, (4000, 4))
    found = band(xarray.DataArray(samples, dims=("trial", "seed")))
    covered = float(((found.low <= 0.3) & (found.high >= 0.3)).mean())
    assert covered == pytest.approx(0.95, abs=4 * np.sqrt(0.95 * 0.05 / 4000))


def test_a_band_is_the_t_interval_of_every_entry():
    values = np.random.default_rng(2).normal(size=(3, 4, 5))
    values[0, 1, :3] = np.nan  # two seeds are left
    values[1, 2, 1:] = np.nan  # one
    values[2, 3] = np.nan
    found = band(xarray.DataArray(values, dims=("knob", "step", "seed")))
    for place in np.ndindex(3, 4):
        estimate = t_interval(values[place])
        ends = [part.values[place] for part in found]
        np.testing.assert_allclose(ends, estimate[:3], equal_nan=True)


def test_differences_are_of_shared_seeds_only():
    last = xarray.DataArray([0.9, 0.8, 0.7], {"seed": [0, 1, 2]}, ["seed"])
    first = xarray.DataArray([0.1, 0.3, 0.5], {"seed": [2, 1, 5]}, ["seed"])
    difference = paired_difference(last, first)
    assert dict(zip(difference.seed.values, difference.values, strict=True)) == pytest.approx(
        {1: 0.5, 2: 0.6}
    )


def test_pairs_take_out_what_seeds_have_in_common():
    rng = np.random.default_rng(3)
    common = rng.normal(0, 1, 6)
    last = xarray.DataArray(common + 0.5 + rng.normal(0, 0.05, 6), {"seed": range(6)}, ["seed"])
    first = xarray.DataArray(common, {"seed": range(6)}, ["seed"])
    paired = t_interval(paired_difference(last, first).values)
    assert paired.low > 0.4
    assert stats.ttest_ind(last, first).pvalue > 0.1


def test_an_effect_size_is_in_standard_deviations():
    assert effect_size(np.array([1.0, 2.0, 3.0])) == pytest.approx(2.0)
    assert effect_size(np.array([1.0, 2.0, 3.0, np.nan]), reference=1.5) == pytest.approx(0.5)
    assert np.isnan(effect_size(np.array([2.0, 2.0])))
    assert np.isnan(effect_size(np.array([2.0])))
