"""The matrix products of a training step, one by one."""

import pytest

from benchmarks.limits import training_products
from benchmarks.parts import NETWORKS, config_of, useful_flops
from icl.data.exemplars import load_exemplars
from icl.experiment import make_program


@pytest.mark.parametrize("name", [name for name in NETWORKS if "ResNet" not in name])
def test_listed_products_make_the_operations_of_the_formula(name: str):
    config = config_of(NETWORKS[name])
    program = make_program(config, load_exemplars(config.data.source))
    listed = sum(
        2 * p.rows * p.inner * p.columns * p.batch * p.times
        for p in training_products(program, config)
    )
    counted = useful_flops(program, config)
    # The formula leaves out the half of attention that the causal mask hides.
    assert counted <= listed < 1.03 * counted
