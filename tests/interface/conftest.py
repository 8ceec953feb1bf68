"""A run that the tests of a module share."""

from collections.abc import Iterator

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
def programs_of_module() -> Iterator[None]:
    """Programs that fixtures of a module share with its tests, see `programs_made_once`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("icl.problems.load.make_program", kept_program)
        yield


@pytest.fixture(scope="module")
def run(config: AnyConfig, programs_of_module: None) -> icl.Run:
    """The small experiment, trained in memory."""
    return icl.train(config, progress=False)


@pytest.fixture(autouse=True)
def _programs(programs_made_once: None) -> None: ...
