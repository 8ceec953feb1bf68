"""How benchmarks measure the growth of a cost."""

import numpy as np
import pytest

from benchmarks.growth import Growth, exponents


def test_the_exponent_of_a_power_is_found_and_no_cliff():
    sizes = (10, 20, 40)
    costs = np.outer([1, 3, 2], np.array(sizes) ** 2.0)  # turns of a machine fast and slow
    growth = exponents(Growth(sizes, 2, lambda size: lambda: 0.0), costs)
    assert growth["exponent"] == pytest.approx(2)
    assert growth["exponent at the largest"] == pytest.approx(2)
    assert growth["cost at 40 / 10"] == pytest.approx(16)
    assert "first cliff at" not in growth


def test_a_cliff_is_where_the_cost_jumps():
    costs = np.array([[1.0, 2.0, 12.0]])
    growth = exponents(Growth((10, 20, 40), 1, lambda size: lambda: 0.0), costs)
    assert growth["first cliff at"] == 40
    assert growth["exponent at the largest"] == pytest.approx(np.log2(6))
