"""Every file of settings that stands for one run makes its programs."""

from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from icl.config.yaml import load_config, parse_config
from icl.problems.load import load_program

from .conftest import CONFIGS
from .golden.grids import name_of
from .golden.runs import QUICK, small_settings


@pytest.mark.parametrize(
    "path", [path for path in CONFIGS if name_of(path) not in QUICK], ids=name_of
)
def test_every_config_makes_its_programs(path: Path, tmp_path: Path):
    """Trace training and evaluation; `tests/golden` runs each config for ten steps."""
    program = load_program(parse_config(small_settings(load_config(path), tmp_path)))
    inputs = program.inputs(program.config)
    after = jax.eval_shape(program.train, program.shapes, jnp.int32(2), inputs, program.arrays)
    assert after == program.shapes
    scores = jax.eval_shape(program.evaluate, program.shapes, inputs, program.arrays)
    assert set(scores) == set(program.config.evaluation.conditions)
