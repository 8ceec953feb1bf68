"""Training states on disk, through Orbax: written in the background, whole or not at all."""

import hashlib
import shutil
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


class Checkpoints:
    """The checkpoints of one run, by step. Use as `with Checkpoints(...) as checkpoints`.

    Raises UserError where a checkpoint is corrupt or cannot be written.
    """

    def __init__(self, path: Path, config: CheckpointConfig):
        self.path = path
        self.keep_last = config.keep_last
        options = ocp.CheckpointManagerOptions(
            max_to_keep=config.keep_last,
            keep_period=config.keep_every,
            cleanup_tmp_directories=True,
        )
        self._manager = ocp.CheckpointManager(path, options=options, item_names=("state", "digest"))

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *error: object) -> None:
        self._manager.close()

    @property
    def latest_step(self) -> int | None:
        return self._manager.latest_step()

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
            self._manager.save(step, args=items, force=True)
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

    def check_space(self, state: Any) -> None:
        """Raise UserError unless the disk can hold the checkpoints to come."""
        size = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
        needed = (self.keep_last + 1) * size + SPARE_BYTES
        free = shutil.disk_usage(self.path).free
        if free < needed:
            raise UserError(
                f"{self.path}: {free / 2**20:.0f} MiB free on the disk; "
                f"allowed: at least {needed / 2**20:.0f} MiB"
            )

    def _cannot_write(self, error: Exception) -> UserError:
        reason = str(error).split("\n")[0] or type(error).__name__
        return UserError(
            f"{self.path}: cannot write a checkpoint ({reason[:200]}); "
            "make room and run the same command again to go on from the last one"
        )


def _named_leaves(state: Any) -> list[tuple[str, Any]]:
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return [(jax.tree_util.keystr(path, simple=True, separator="."), leaf) for path, leaf in leaves]


def _digests(leaves: dict[str, np.ndarray]) -> dict[str, str]:
    return {name: hashlib.sha256(leaf.tobytes()).hexdigest() for name, leaf in leaves.items()}
