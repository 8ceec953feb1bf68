"""Numbers of a learning curve: where it ends, how high it gets, when, and what it loses again."""

from collections.abc import Callable

import numpy as np
import xarray
from jaxtyping import Float, Num

WINDOW = 3  # evaluations averaged, so that noise does not make a peak
THRESHOLD = 0.75
METRICS = ("accuracy", "accuracy_in_context")

Steps = Num[np.ndarray, " evaluation"]
Curve = Float[np.ndarray, " evaluation"]


def _smooth(values: Curve) -> Float[np.ndarray, " window"]:
    """Means over WINDOW evaluations in a row; over all where there are fewer."""
    window = min(WINDOW, len(values))
    return np.convolve(values, np.full(window, 1 / window), mode="valid")


def _peak_step(steps: Steps, values: Curve) -> float:
    """The middle of the window with the largest mean."""
    return steps[int(_smooth(values).argmax()) + min(WINDOW, len(values)) // 2]


def _decay(steps: Steps, values: Curve) -> float:
    """From the peak to the last WINDOW evaluations; never below 0."""
    smooth = _smooth(values)
    return smooth.max() - smooth[-1]


def _late_change(steps: Steps, values: Curve) -> float:
    """Over the second half of training: the last WINDOW evaluations minus the middle ones."""
    smooth = _smooth(values)
    middle = np.searchsorted(steps, steps[-1] / 2) - WINDOW // 2
    return smooth[-1] - smooth[int(np.clip(middle, 0, len(smooth) - 1))]


def time_to_threshold(steps: Steps, values: Curve, threshold: float = THRESHOLD) -> float:
    """The first step at which a curve is at the threshold or above, and is at the next one too.

    NaN if there is none; a last evaluation alone is not enough.
    """
    is_above = values >= threshold
    stays = np.flatnonzero(is_above[:-1] & is_above[1:])
    return steps[stays[0]] if len(stays) else np.nan


# (steps, values without NaN, at least one) -> number.
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
    """One of NUMBERS of each curve over `step`. NaN, where nothing was measured, is skipped:
    a run that stopped early ends with its last evaluation; a run without any has NaN.

    threshold: of `time_to_threshold`, the only number that knows one.
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
    """Of each run and condition, whether its last evaluation has no such number.

    As a measure of a network whose units are all silent, 0 / 0: what was measured before, at the
    start perhaps, is not how it ended. Told apart from steps without an evaluation by the loss.
    """
    is_evaluated = dataset.loss.notnull()
    last = dataset.step.where(is_evaluated).max("step")
    values = dataset[metric].where(dataset.step == last).max("step")
    return is_evaluated.any("step") & values.isnull()


def derive(dataset: xarray.Dataset, threshold: float = THRESHOLD) -> xarray.Dataset:
    """Adds `accuracy_final`, `accuracy_peak` and so on for DERIVED of both accuracies.

    Steps are training steps; the rest are shares of answers. See NUMBERS and `number_of`.
    """
    return dataset.assign(
        {
            f"{metric}_{name}": number_of(dataset[metric], name, threshold)
            for metric in METRICS
            if metric in dataset
            for name in DERIVED
        }
    )
