"""The matrix products of a training step, one by one."""

import pytest

from benchmarks.flops import training_flops_per_sequence
from benchmarks.limits import NAMES, training_products
from benchmarks.parts import NETWORKS, config_of


@pytest.mark.parametrize("name", NAMES)
def test_listed_products_make_the_operations_of_the_formula(name: str):
    config = config_of(NETWORKS[name])
    listed = sum(
        2 * p.rows * p.inner * p.columns * p.batch * p.times for p in training_products(config)
    )
    counted = training_flops_per_sequence(config) * config.training.batch_size
    # The formula leaves out the half of attention that the causal mask hides.
    assert counted < listed < 1.03 * counted
