"""Programs are made once while they are kept, and a few are kept."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from icl.problems.base import Program
from icl.sweeps.programs import MAX_PROGRAMS, ProgramCache


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The widths of the networks whose programs were made, in order."""
    widths: list[int] = []

    def load(config):
        time.sleep(0.01)  # for other threads to come
        widths.append(config.model.width)
        return Program.__new__(Program)  # none of its functions is called

    monkeypatch.setattr("icl.sweeps.programs.load_program", load)
    return widths


def test_the_oldest_makes_room(small_config, loaded: list[int]):
    cache = ProgramCache()
    configs = [small_config(f"model.width={16 * (i + 1)}") for i in range(MAX_PROGRAMS + 1)]
    kept = [cache.get(config) for config in configs]
    assert [cache.get(config) for config in configs[1:]] == kept[1:]
    assert cache.get(configs[1].model_copy(update={"seed": 7})) == kept[1], "of the same program"
    assert loaded == [config.model.width for config in configs]
    assert cache.get(configs[0]) != kept[0]
    assert loaded == [config.model.width for config in (*configs, configs[0])]


def test_threads_share_what_the_first_makes(small_config, loaded: list[int]):
    cache, config, start = ProgramCache(), small_config(), threading.Barrier(4)

    def get(_: int) -> tuple:
        start.wait()
        return cache.get(config)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(get, range(4)))
    assert len(loaded) == 1
    assert all(one == found[0] for one in found)


def test_the_fewest_cells_that_did_not_fit_are_known(small_config):
    cache, config, other = ProgramCache(), small_config(), small_config("model.width=32")
    assert cache.may_fit(config, 10**6)
    for count in (8, 4, 6):
        cache.note_too_many(config, count)
    assert [cache.may_fit(config, count) for count in (3, 4, 5)] == [True, False, False]
    assert cache.may_fit(other, 10**6)
