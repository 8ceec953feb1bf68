"""Training states on disk, through Orbax: written in the background, whole or not at all."""

import hashlib
import logging
import shutil
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np
import orbax.checkpoint as ocp

from icl.config import CheckpointConfig
from icl.errors import UserError

State = TypeVar("State")

# Left free on the disk beyond the checkpoints themselves, for metrics and figures.
SPARE_BYTES = 16 * 2**20

# Seconds: Orbax reads them off the wall clock, where a jump must not look like a write that hangs.
TIMEOUT = 10**9

# Orbax numbers its operations for the whole process, and mixes up those of two managers that
# write at the same time: where several are open, each waits for the others and for its own.
_writing = threading.RLock()
_open: list[ocp.CheckpointManager] = []


class Checkpoints:
    """The checkpoints of one run, by step. Use as `with Checkpoints(...) as checkpoints`.

    Raises UserError where a checkpoint is corrupt or cannot be written.
    """

    def __init__(self, path: Path, config: CheckpointConfig):
        self.path = path
        if path.exists() and not path.is_dir():
            raise UserError(f"{path}: a file; allowed: the folder of a run's checkpoints")
        path.mkdir(exist_ok=True)
        own, is_one_of_many = jax.process_index(), jax.process_count() > 1
        options = ocp.CheckpointManagerOptions(
            max_to_keep=config.keep_last,
            keep_period=config.keep_every,
            create=False,
            cleanup_tmp_directories=True,
            # Of many processes each has a folder of its own, see `icl.runs.distributed`.
            multiprocessing_options=ocp.options.MultiprocessingOptions(
                primary_host=own,
                active_processes={own} if is_one_of_many else None,
                barrier_sync_key_prefix=str(own) if is_one_of_many else None,
            ),
            # Folders are made at once: in the background, the signal of one process that its
            # folder is there is taken by others for that of their own.
            async_options=ocp.AsyncOptions(
                timeout_secs=TIMEOUT, create_directories_asynchronously=False
            ),
        )
        self._manager = ocp.CheckpointManager(path, options=options, item_names=("state", "digest"))
        _open.append(self._manager)

    def __enter__(self) -> "Checkpoints":
        _silence_background()
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            with _writing:
                _open.remove(self._manager)
                self._manager.close()
        except Exception as error:
            if kind is None:
                raise self._cannot_write(error) from error
        # After an error the process is about to end, and the threads with it: let them be silent.
        if kind is None and not _open:
            threading.excepthook, sys.unraisablehook = HOOKS

    @property
    def latest_step(self) -> int | None:
        return self._manager.latest_step()

    @property
    def steps(self) -> list[int]:
        """Of all that are kept, in order."""
        return sorted(self._manager.all_steps())

    def save(self, step: int, state: Any) -> None:
        """Start writing; returns as soon as the state may change. Does nothing if it is there."""
        if step == self.latest_step:
            return
        # Copied, because the buffers are given up to the next training step.
        leaves = {name: np.array(leaf) for name, leaf in _named_leaves(state)}
        items = ocp.args.Composite(
            state=ocp.args.StandardSave(leaves), digest=ocp.args.JsonSave(_digests(leaves))
        )
        try:
            with _writing:
                for other in _open:
                    if other is not self._manager:
                        with suppress(Exception):  # its owner is told when it waits
                            other.wait_until_finished()
                self._manager.save(step, args=items, force=True)
                if len(_open) > 1:
                    self._manager.wait_until_finished()
        except Exception as error:  # whatever storage raises, the user's disk is the matter
            raise self._cannot_write(error) from error

    def wait(self) -> None:
        """Until all that was saved is on the disk."""
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
            with _writing:
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
            raise UserError(
                f"{self.path / str(step)}: the checkpoint is corrupt; "
                "delete it to go on from the one before"
            )
        return leaves

    def _cannot_write(self, error: Exception) -> UserError:
        reason = str(error).split("\n")[0] or type(error).__name__
        return UserError(
            f"{self.path}: cannot write a checkpoint ({reason[:200]}); "
            "make room and run the same command again to go on from the last one"
        )


HOOKS = threading.__excepthook__, sys.__unraisablehook__


def _silence_background() -> None:
    """Orbax's threads print a stack trace each for the failure that is told in one line here."""
    threading.excepthook = lambda args: None
    sys.unraisablehook = lambda args: None
    for name in ("absl", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def check_space(path: Path, config: CheckpointConfig, shapes: Any) -> None:
    """Raise UserError unless the disk can hold the checkpoints to come of such a state."""
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
