"""A run that the tests of a module share."""

import pytest

import icl
from icl.config import AnyConfig
from icl.config.yaml import load_config

from ..conftest import QUICKSTART, small
from ..programs import kept_program


@pytest.fixture(scope="session")
def config() -> AnyConfig:
    """The small experiment: two checkpoints, three conditions."""
    return load_config(QUICKSTART, small("training.num_steps=20", "seed=3"))


@pytest.fixture(scope="module")
def run(config: AnyConfig) -> icl.Run:
    """The small experiment, trained in memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("icl.problems.load.make_program", kept_program)
        return icl.train(config, progress=False)


@pytest.fixture(autouse=True)
def _programs(programs_made_once: None) -> None: ...
