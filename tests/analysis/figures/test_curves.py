"""Learning curves: the lines of chance."""

import numpy as np
import xarray

from icl.analysis.figures.curves import _chances


def test_chance_is_a_line_for_each_of_its_values():
    steps = {"step": [0, 10]}
    old = xarray.Dataset({"accuracy_chance": ("step", [0.5, 0.5])}, steps)
    assert _chances(old, "accuracy") == {0.5}
    # Records that an earlier release began lack the chance among all outputs.
    both = old.assign(accuracy_chance_all=("step", [np.nan, 1 / 3]))
    assert _chances(both, "accuracy") == {0.5, 1 / 3}
    assert _chances(old.assign(accuracy_chance_all=old.accuracy_chance), "accuracy") == {0.5}
    assert _chances(both.isel(step=[0]), "accuracy") == {0.5}
