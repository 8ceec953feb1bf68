"""Numbers of a learning curve: its end, peak and decay, and when it reaches a threshold."""

from collections.abc import Callable

import numpy as np
import xarray
from jaxtyping import Float, Num

WINDOW = 3  # evaluations averaged, so that noise does not make a peak
THRESHOLD = 0.75
DERIVED_METRICS = ("accuracy", "accuracy_in_context")

Steps = Num[np.ndarray, " evaluation"]
Curve = Float[np.ndarray, " evaluation"]


def _smooth(values: Curve) -> Float[np.ndarray, " window"]:
    """Means over WINDOW successive evaluations, or over all if there are fewer."""
    window = min(WINDOW, len(values))
    return np.convolve(values, np.full(window, 1 / window), mode="valid")


def _peak_step(steps: Steps, values: Curve) -> float:
    """The middle of the window with the largest mean."""
    return steps[int(_smooth(values).argmax()) + min(WINDOW, len(values)) // 2]


def _decay(steps: Steps, values: Curve) -> float:
    """The loss from the peak to the last WINDOW evaluations; never below 0."""
    smooth = _smooth(values)
    return smooth.max() - smooth[-1]


def _late_change(steps: Steps, values: Curve) -> float:
    """The change over the second half of training: the last WINDOW evaluations minus the middle."""
    smooth = _smooth(values)
    middle = np.searchsorted(steps, steps[-1] / 2) - WINDOW // 2
    return smooth[-1] - smooth[int(np.clip(middle, 0, len(smooth) - 1))]


def time_to_threshold(steps: Steps, values: Curve, threshold: float = THRESHOLD) -> float:
    """The first step at which a curve is at least at the threshold, and also at the next step.

    NaN if there is none. The last evaluation alone does not count, as no other follows it.
    """
    is_above = values >= threshold
    stays = np.flatnonzero(is_above[:-1] & is_above[1:])
    return steps[stays[0]] if len(stays) else np.nan


# By name: (steps, at least one value, none NaN) -> number.
NUMBERS: dict[str, Callable[[Steps, Curve], float]] = {
    "final": lambda steps, values: values[-1],
    "peak": lambda steps, values: _smooth(values).max(),
    "peak_step": _peak_step,
    "decay": _decay,
    "mean": lambda steps, values: values.mean(),
    "late_change": _late_change,
    "time_to_threshold": time_to_threshold,
}
DERIVED = ("final", "peak", "peak_step", "decay", "time_to_threshold")


def number_of(
    curves: xarray.DataArray, name: str, threshold: float = THRESHOLD
) -> xarray.DataArray:
    """One of NUMBERS for each curve over `step`.

    Steps without a measurement, NaN, are skipped: a run that stopped early ends with its last
    evaluation, and a run without any evaluation has NaN.

    threshold: for `time_to_threshold`, the only number that has one.
    """
    number = NUMBERS[name]
    if name == "time_to_threshold":
        number = lambda steps, values: time_to_threshold(steps, values, threshold)  # noqa: E731
    steps = curves.step.values.astype(np.float64)

    def of_curve(values: Curve) -> float:
        is_there = np.isfinite(values)
        return float(number(steps[is_there], values[is_there])) if is_there.any() else np.nan

    return xarray.apply_ufunc(
        of_curve, curves, input_core_dims=[["step"]], vectorize=True, output_dtypes=[np.float64]
    )


def is_undefined_at_end(dataset: xarray.Dataset, metric: str) -> xarray.DataArray:
    """Whether a metric is NaN at the last evaluation of each run and condition.

    A measure of a network whose units are all silent is 0 / 0, and its earlier values do not say
    how the run ended. A step with a loss is an evaluation.
    """
    is_evaluated = dataset.loss.notnull()
    last = dataset.step.where(is_evaluated).max("step")
    values = dataset[metric].where(dataset.step == last).max("step")
    return is_evaluated.any("step") & values.isnull()


def derive(dataset: xarray.Dataset, threshold: float = THRESHOLD) -> xarray.Dataset:
    """The dataset with `accuracy_final`, `accuracy_peak` and so on: DERIVED for both accuracies.

    Times are in training steps, all others are shares of answers. See NUMBERS and `number_of`.
    """
    return dataset.assign(
        {
            f"{metric}_{name}": number_of(dataset[metric], name, threshold)
            for metric in DERIVED_METRICS
            if metric in dataset
            for name in DERIVED
        }
    )
