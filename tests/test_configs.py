"""Every file of settings that stands for one run makes its programs."""

from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from icl.config.yaml import load_config, parse_config
from icl.problems.load import load_program

from .golden.grids import FILES, is_grid
from .golden.runs import QUICK, small_settings


@pytest.mark.parametrize(
    "name", [name for name, path in FILES.items() if name not in QUICK and not is_grid(path)]
)
def test_every_config_makes_its_programs(name: str, tmp_path: Path):
    """Trace training and evaluation; `tests/golden` runs each config for ten steps."""
    program = load_program(parse_config(small_settings(load_config(FILES[name]), tmp_path)))
    inputs = program.inputs(program.config)
    after = jax.eval_shape(program.train, program.shapes, jnp.int32(2), inputs, program.arrays)
    assert after == program.shapes
    scores = jax.eval_shape(program.evaluate, program.shapes, inputs, program.arrays)
    assert set(scores) == set(program.config.evaluation.conditions)
