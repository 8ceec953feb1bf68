"""The matrix products of a training step, one by one."""

import pytest

from benchmarks.limits import sequence_products, trial_products
from benchmarks.parts import NETWORKS, config_of, useful_flops
from icl.config.find import CONFIGS
from icl.config.yaml import load_config
from icl.problems.load import load_program


@pytest.mark.parametrize("name", [name for name in NETWORKS if "12 layers" not in name])
def test_listed_products_make_the_operations_of_the_formula(name: str):
    few = "data.source.num_exemplars=5"  # because drawing all takes longer than the test
    config = config_of((*NETWORKS[name], few))
    program = load_program(config)
    listed = sum(
        2 * p.rows * p.inner * p.columns * p.batch * p.times
        for p in sequence_products(program, config)
    )
    counted = useful_flops(program, config)
    # The formula leaves out the half of attention that the causal mask hides.
    assert counted <= listed < 1.03 * counted


def test_a_recurrent_network_multiplies_at_each_step_of_a_trial():
    program = load_program(load_config(CONFIGS / "liu2023" / "base.yaml"))
    products = trial_products(program)
    counts = {(p.rows, p.inner, p.columns): p.times for p in products}
    # Of 8 steps, forward and backward; and the gradient, one product over all but the first.
    assert counts[32, 300, 300] == 16
    assert counts[300, 7 * 32, 300] == 1
