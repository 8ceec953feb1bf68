"""Training states on disk, through Orbax: written in the background, whole or not at all."""

import gc
import hashlib
import shutil
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np

from icl.config import CheckpointConfig
from icl.errors import UserError, first_line
from icl.records.quiet import QuietOrbax, ocp

State = TypeVar("State")

# Left free on the disk beyond the checkpoints themselves, for metrics and figures.
SPARE_BYTES = 16 * 2**20

# Orbax reads the wall clock; where that jumps, a write must not look as if it hung.
TIMEOUT_SECONDS = 10**9

# Time for the other writes of a checkpoint of which one has failed: Orbax does not wait for them.
SECONDS_TO_END = 0.2


class _Managers:
    """The checkpoint managers that are open in this process.

    Orbax numbers its operations for the whole process and mixes up those of two managers that
    write at the same time. Hence all Checkpoints of a process share one registry. A manager writes
    only once all others have finished. If others are open, `save` also waits for its own write.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()  # held by the manager that starts a write, reads or closes
        self._open: list[ocp.CheckpointManager] = []
        self._quiet = QuietOrbax()

    def open(self, path: Path, settings: dict[str, Any]) -> ocp.CheckpointManager:
        """Open a manager. settings: of `ocp.CheckpointManagerOptions`, which reports on them."""
        self._quiet.start()
        try:
            options = ocp.CheckpointManagerOptions(create=False, **settings)
            names = ("state", "digest")
            manager = ocp.CheckpointManager(path, options=options, item_names=names)
        except BaseException:
            self._quiet.stop()
            raise
        self._open.append(manager)
        return manager

    def save(self, manager: ocp.CheckpointManager, step: int, items: ocp.args.Composite) -> None:
        with self.lock:
            for other in list(self._open):
                if other is not manager:
                    with suppress(Exception):  # its owner meets the error when it waits
                        other.wait_until_finished()
            manager.save(step, args=items, force=True)
            if len(self._open) > 1:
                manager.wait_until_finished()

    def close(self, manager: ocp.CheckpointManager) -> None:
        with self.lock:
            self._open.remove(manager)
            manager.close()

    def end_silence(self, has_failed: bool) -> None:
        """Let Orbax report again; has_failed: whether it may still have failures to report."""
        if has_failed:
            time.sleep(SECONDS_TO_END)
            gc.collect()  # tasks that were given up report when they are collected
        self._quiet.stop()


_managers = _Managers()


class Checkpoints:
    """The checkpoints of one run, by step. Use as `with Checkpoints(...) as checkpoints`.

    read_only: whether to write nothing: for a folder that cannot be written, or whose run another
        process trains.

    Raises UserError where a checkpoint is corrupt or cannot be written.
    """

    def __init__(self, path: Path, config: CheckpointConfig, read_only: bool = False):
        self.path, self._config, self._read_only = path, config, read_only
        self._has_failed = False
        if path.exists() and not path.is_dir():
            raise UserError(f"{path}: a file; allowed: the folder of a run's checkpoints")

    def __enter__(self) -> "Checkpoints":
        if self._read_only:
            self._manager = _managers.open(self.path, {"read_only": True})
        else:
            self.path.mkdir(exist_ok=True)
            self._manager = _managers.open(self.path, self._settings())
        return self

    def _settings(self) -> dict[str, Any]:
        own, is_one_of_many = jax.process_index(), jax.process_count() > 1
        return {
            "max_to_keep": self._config.keep_last,
            "keep_period": self._config.keep_every,
            "cleanup_tmp_directories": True,
            # Each of many processes has a folder of its own, see `icl.runs.distributed`.
            "multiprocessing_options": ocp.options.MultiprocessingOptions(
                primary_host=own,
                active_processes={own} if is_one_of_many else None,
                barrier_sync_key_prefix=str(own) if is_one_of_many else None,
            ),
            # Folders are not made in the background: a process would take another's signal that
            # its folder exists for a signal about its own folder.
            "async_options": ocp.AsyncOptions(
                timeout_secs=TIMEOUT_SECONDS, create_directories_asynchronously=False
            ),
        }

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            _managers.close(self._manager)
        except Exception as error:
            failure = self._cannot_write(error)
            if kind is None:
                raise failure from error
        finally:
            _managers.end_silence(self._has_failed)

    @property
    def latest_step(self) -> int | None:
        return self._manager.latest_step()

    @property
    def steps(self) -> list[int]:
        """The steps of all checkpoints that are kept, in order."""
        return sorted(self._manager.all_steps())

    def save(self, step: int, state: Any) -> None:
        """Start to write a state; returns as soon as the state may change.

        Does nothing where this step is the latest.
        """
        if step == self.latest_step:
            return
        # Copied, because the buffers are given up to the next training step.
        leaves = {name: np.array(leaf) for name, leaf in _named_leaves(state)}
        items = ocp.args.Composite(
            state=ocp.args.StandardSave(leaves), digest=ocp.args.JsonSave(_digests(leaves))
        )
        try:
            _managers.save(self._manager, step, items)
        except (
            Exception
        ) as error:  # storage raises nearly anything: the disk is what the user can act on
            raise self._cannot_write(error) from error

    def wait(self) -> None:
        """Wait until all that was saved is on the disk."""
        try:
            self._manager.wait_until_finished()
        except Exception as error:
            raise self._cannot_write(error) from error

    def restore(self, step: int, like: State) -> State:
        """The state at a step, in the structure of `like` (arrays or shapes)."""
        leaves = self.restore_leaves(step)
        expected = {name: (leaf.shape, leaf.dtype) for name, leaf in _named_leaves(like)}
        if {name: (leaf.shape, leaf.dtype) for name, leaf in leaves.items()} != expected:
            raise UserError(
                f"{self.path / str(step)}: the checkpoint is of another network or version; "
                "allowed: a new folder"
            )
        structure = jax.tree.structure(like)
        return jax.tree.unflatten(structure, [leaves[name] for name in expected])

    def restore_leaves(self, step: int) -> dict[str, np.ndarray]:
        """The arrays of a state by name, such as `variables.params.readout.kernel`."""
        try:
            with _managers.lock:
                items = self._manager.restore(
                    step,
                    args=ocp.args.Composite(
                        state=ocp.args.StandardRestore(), digest=ocp.args.JsonRestore()
                    ),
                )
            leaves = {name: np.asarray(leaf) for name, leaf in items["state"].items()}
            intact = _digests(leaves) == items["digest"]
        except Exception:  # storage raises nearly anything on broken files
            intact = False
        if not intact:
            state = (
                "corrupt or was deleted meanwhile; allowed: another --step"
                if self._read_only
                else "corrupt; delete it to go on from the one before"
            )
            raise UserError(f"{self.path / str(step)}: the checkpoint is {state}")
        return leaves

    def _cannot_write(self, error: Exception) -> UserError:
        self._has_failed = True
        reason = first_line(error)
        return UserError(
            f"{self.path}: cannot write a checkpoint ({reason}); "
            "make room and run the same command again to go on from the last one"
        )


def check_space(path: Path, config: CheckpointConfig, shapes: Any) -> None:
    """Raise UserError unless the disk has room for the checkpoints of a state of these shapes."""
    size = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(shapes))
    needed = (config.keep_last + 1) * size + SPARE_BYTES
    free = shutil.disk_usage(path).free
    if free < needed:
        raise UserError(
            f"{path}: {free / 2**20:.0f} MiB free on the disk; "
            f"allowed: at least {needed / 2**20:.0f} MiB"
        )


def _named_leaves(state: Any) -> list[tuple[str, Any]]:
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return [(jax.tree_util.keystr(path, simple=True, separator="."), leaf) for path, leaf in leaves]


def _digests(leaves: dict[str, np.ndarray]) -> dict[str, str]:
    return {name: hashlib.sha256(leaf.tobytes()).hexdigest() for name, leaf in leaves.items()}
