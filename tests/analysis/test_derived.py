"""Numbers of curves made by hand."""

import numpy as np
import pytest
import xarray

from icl.analysis.derived import (
    DERIVED,
    DERIVED_METRICS,
    NUMBERS,
    derive,
    is_undefined_at_end,
    number_of,
)

from .synthetic import make_sweep, without

NAN = float("nan")


def number(values: list[float], name: str, **kwargs: float) -> float:
    steps = 10 * np.arange(1, len(values) + 1)
    return number_of(xarray.DataArray(values, {"step": steps}, ["step"]), name, **kwargs).item()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.1, 0.2, 0.9, 0.3], 0.3),
        ([0.1, 0.2, NAN, NAN], 0.2),  # stopped early
        ([NAN, 0.2, NAN, 0.4], 0.4),
        ([NAN, NAN, NAN, NAN], NAN),
    ],
)
def test_the_final_value_is_the_last_there_is(values: list[float], expected: float):
    assert number(values, "final") == pytest.approx(expected, nan_ok=True)


def test_one_lucky_evaluation_is_no_peak():
    values = [0.5, 0.5, 0.95, 0.5, 0.5, 0.7, 0.8, 0.75, 0.5, 0.5]
    assert number(values, "peak") == pytest.approx(0.75)
    assert number(values, "peak_step") == 70
    assert number(values, "decay") == pytest.approx(0.75 - (0.75 + 0.5 + 0.5) / 3)


def test_of_a_rising_curve_nothing_is_lost():
    assert number([0.1, 0.2, 0.3, 0.4, 0.5], "decay") == 0
    assert number([0.1, 0.2, 0.3, 0.4, 0.5], "peak_step") == 40


def test_the_late_change_is_that_of_the_second_half():
    # Steps 10 to 100: about 50 the mean is 0.8, over the last three 0.5.
    values = [0.0, 0.1, 0.2, 0.7, 0.8, 0.9, 0.6, 0.4, 0.5, 0.6]
    assert number(values, "late_change") == pytest.approx(0.5 - 0.8)
    assert number([NAN, *values[1:], NAN], "late_change") == pytest.approx(0.5 - 0.8)
    assert number([0.5] * 10, "late_change") == 0


@pytest.mark.parametrize("values", [[0.4], [0.3, 0.5]])
def test_curves_shorter_than_the_window(values: list[float]):
    assert number(values, "peak") == pytest.approx(0.4)
    assert number(values, "decay") == 0
    assert number(values, "late_change") == 0


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.5, 0.8, 0.9, 0.9], 20),
        ([0.5, 0.8, 0.6, 0.75, 0.8], 40),  # at the threshold counts; one crossing back does not
        ([0.9, 0.9], 10),
        ([0.5, 0.6, 0.9], NAN),  # a last evaluation alone is not enough
        ([0.5, 0.8, NAN, 0.8], 20),  # the next one that there is
        ([0.1, 0.2, 0.3], NAN),
    ],
)
def test_the_time_to_the_threshold(values: list[float], expected: float):
    assert number(values, "time_to_threshold") == pytest.approx(expected, nan_ok=True)


def test_the_threshold_is_an_argument():
    assert number([0.1, 0.4, 0.5], "time_to_threshold", threshold=0.3) == 20


def test_a_measure_that_ended_undefined_is_not_what_it_was_before():
    """Silent at the end; never evaluated there, as the run ended early; and as usual."""
    nan = np.nan
    loss = [[1.0, 1.0, 1.0], [1.0, 1.0, nan], [1.0, 1.0, 1.0], [nan, nan, nan]]
    measured = [[1.0, 0.5, nan], [1.0, 0.5, nan], [1.0, nan, 0.2], [nan, nan, nan]]
    dims, steps = ("seed", "step"), {"step": [0, 10, 20]}
    dataset = xarray.Dataset({"loss": (dims, loss), "kernel_alignment": (dims, measured)}, steps)
    found = is_undefined_at_end(dataset, "kernel_alignment")
    assert found.values.tolist() == [True, False, False, False]


def test_a_sweep_gets_each_number_of_both_accuracies():
    sweep = without(make_sweep(), **{"data.p_bursty": 1, "data.zipf_exponent": 0})
    derived = derive(sweep)
    for metric in DERIVED_METRICS:
        for name in DERIVED:
            values = derived[f"{metric}_{name}"]
            assert values.dims == ("data.p_bursty", "data.zipf_exponent", "seed", "condition")
            assert values[1, 0].isnull().all()
    assert derived.accuracy_final[0].notnull().all()
    assert "accuracy_final" not in sweep


def test_every_number_of_a_curve_that_is_flat():
    expected = {"peak_step": 20, "time_to_threshold": 10, "decay": 0, "late_change": 0}
    for name in NUMBERS:
        assert number([0.8, 0.8, 0.8], name) == pytest.approx(expected.get(name, 0.8)), name
