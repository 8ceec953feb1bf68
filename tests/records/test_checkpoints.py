"""Checkpoints: the same bits back; corrupt ones are refused, unfinished ones passed over."""

import resource
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from icl.config import CheckpointConfig
from icl.records.checkpoints import Checkpoints, check_space

from ..messages import refused


def make_state(step: int) -> dict[str, Any]:
    key = jax.random.fold_in(jax.random.key(0), step)
    return {
        "step": jnp.int32(step),
        "params": {"layer": {"kernel": jax.random.normal(key, (64, 64)), "bias": jnp.zeros(1)}},
        "moments": (jnp.full(3, np.nan), jnp.uint32(7)),
    }


def saved(path: Path, *steps: int, **config: Any) -> None:
    with Checkpoints(path, CheckpointConfig(**config)) as checkpoints:
        for step in steps:
            _save_and_wait(checkpoints, step)


def _save_and_wait(checkpoints: Checkpoints, step: int) -> None:
    checkpoints.save(step, make_state(step))
    checkpoints.wait()


def files_of(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file())


def test_what_is_restored_is_bitwise_what_was_saved(tmp_path: Path):
    saved(tmp_path, 3)
    with Checkpoints(tmp_path, CheckpointConfig()) as checkpoints:
        restored = checkpoints.restore(3, make_state(0))
    assert jax.tree.structure(restored) == jax.tree.structure(make_state(3))
    for a, b in zip(jax.tree.leaves(restored), jax.tree.leaves(make_state(3)), strict=True):
        assert a.dtype == b.dtype
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


def test_a_state_may_change_as_soon_as_save_returns(tmp_path: Path):
    state = {"x": jnp.arange(1 << 18, dtype=jnp.float32)}
    change = jax.jit(lambda tree: {"x": tree["x"] * 0}, donate_argnums=0)
    with Checkpoints(tmp_path, CheckpointConfig()) as checkpoints:
        checkpoints.save(1, state)
        state = jax.block_until_ready(change(state))
        checkpoints.wait()
        restored = checkpoints.restore(1, state)
    np.testing.assert_array_equal(restored["x"], np.arange(1 << 18))


def test_the_last_ones_and_a_schedule_are_kept(tmp_path: Path):
    saved(tmp_path, 1, 2, 3, 4, 5, 6, 7, keep_last=2, keep_every=3)
    assert {int(p.name) for p in tmp_path.iterdir() if p.name.isdigit()} == {3, 6, 7}


def test_an_unfinished_checkpoint_is_passed_over(tmp_path: Path):
    saved(tmp_path, 1)
    (tmp_path / "2.orbax-checkpoint-tmp").mkdir()
    (tmp_path / "2.orbax-checkpoint-tmp" / "state").write_text("torn")
    with Checkpoints(tmp_path, CheckpointConfig()) as checkpoints:
        assert checkpoints.latest_step == 1
        checkpoints.save(2, make_state(2))
        checkpoints.wait()
        assert int(checkpoints.restore(2, make_state(0))["step"]) == 2


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
def test_a_corrupt_checkpoint_is_refused_in_one_line(tmp_path: Path, damage: str):
    saved(tmp_path, 1)
    path = max(files_of(tmp_path / "1"), key=lambda file: file.stat().st_size)
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    elif damage == "truncate":
        path.write_bytes(data[: len(data) // 2])
    else:
        path.unlink()
    with (
        Checkpoints(tmp_path, CheckpointConfig()) as checkpoints,
        refused(f"{tmp_path}/1", "corrupt"),
    ):
        checkpoints.restore(1, make_state(0))


@pytest.mark.parametrize("read_only", [False, True])
def test_an_empty_folder_is_refused_in_one_line_and_nothing_is_printed(
    tmp_path: Path, read_only: bool, capfd: pytest.CaptureFixture, caplog: pytest.LogCaptureFixture
):
    saved(tmp_path, 1)
    (tmp_path / "20").mkdir()
    what_to_do = ["deleted", "--step"] if read_only else ["delete", "before"]
    with Checkpoints(tmp_path, CheckpointConfig(), read_only) as checkpoints:
        assert checkpoints.steps == [1, 20]
        with refused(f"{tmp_path}/20", "corrupt", *what_to_do):
            checkpoints.restore(20, make_state(0))
        assert int(checkpoints.restore(1, make_state(0))["step"]) == 1
    assert (capfd.readouterr(), caplog.records) == (("", ""), [])


def test_reading_writes_nothing(tmp_path: Path):
    saved(tmp_path, 1, 2)
    (tmp_path / "3.orbax-checkpoint-tmp").mkdir()  # of the process that trains
    before = {path: path.stat().st_mtime_ns for path in (tmp_path, *tmp_path.rglob("*"))}
    with Checkpoints(tmp_path, CheckpointConfig(), read_only=True) as checkpoints:
        assert checkpoints.steps == [1, 2]
        assert int(checkpoints.restore(2, make_state(0))["step"]) == 2
    assert {path: path.stat().st_mtime_ns for path in (tmp_path, *tmp_path.rglob("*"))} == before
    with Checkpoints(tmp_path / "none", CheckpointConfig(), read_only=True) as checkpoints:
        assert checkpoints.steps == []
    assert not (tmp_path / "none").exists()


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path):
    saved(tmp_path, 1)
    other = make_state(0) | {"more": jnp.zeros(2)}
    with (
        Checkpoints(tmp_path, CheckpointConfig()) as checkpoints,
        refused(f"{tmp_path}/1", "another network"),
    ):
        checkpoints.restore(1, other)


def test_a_disk_that_fills_up_is_an_error_and_older_checkpoints_stay(tmp_path: Path):
    saved(tmp_path, 1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Checkpoints(tmp_path, CheckpointConfig()) as checkpoints:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        try:
            with refused(str(tmp_path), "write"):
                _save_and_wait(checkpoints, 2)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    with Checkpoints(tmp_path, CheckpointConfig()) as checkpoints:
        assert checkpoints.latest_step == 1
        assert int(checkpoints.restore(1, make_state(0))["step"]) == 1


def test_a_disk_too_full_to_begin_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    check_space(tmp_path, CheckpointConfig(), make_state(0))
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("U", (), {"free": 2**20}))
    with refused(str(tmp_path), "1 MiB"):
        check_space(tmp_path, CheckpointConfig(), make_state(0))


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path):
    (tmp_path / "checkpoints").write_text("")
    with refused(f"{tmp_path}/checkpoints", "file"):
        Checkpoints(tmp_path / "checkpoints", CheckpointConfig())
