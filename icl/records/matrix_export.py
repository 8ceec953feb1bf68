"""A weight matrix out of a run's checkpoint, as a file that initial connectivity can be read from.

See the kinds `file` and `aligned` of `icl.config.connectivity`.
"""

import io
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from icl.errors import UserError
from icl.loading import load_program
from icl.records.checkpoints import Checkpoints, State
from icl.records.config_file import load_config
from icl.records.run_directory import CONFIG, RunDirectory, write_whole


def matrix_of(
    run: str | Path, name: str, step: int | None = None
) -> tuple[int, Float[np.ndarray, "fan_in out"]]:
    """The step of a run's checkpoint and the weight matrix of this name then.

    name: see `icl.models.matrices`. step: of a checkpoint; None: the last.

    Raises UserError for a folder that holds no run, or is in use, and for a step or a name that the
    run does not have.
    """
    path = Path(run)
    if not (path / CONFIG).exists():
        raise UserError(f"{path}: not the folder of a run (it has no {CONFIG}); allowed: one")
    config = load_config(path / CONFIG)
    # A file that the run began from may be gone: it is not what the run has now.
    program = load_program(config.model_copy(update={"connectivity": {}}))
    names = jax.eval_shape(program.matrices, program.shapes)
    if name not in names:
        raise UserError(f"matrix = {name}; allowed: {', '.join(names)}")
    with RunDirectory(path, config) as directory:
        step, state = _restore(directory, program.shapes, step)
    return step, np.asarray(program.matrices(jax.tree.map(jnp.asarray, state))[name])


def _restore(directory: RunDirectory, shapes: State, step: int | None) -> tuple[int, State]:
    with Checkpoints(directory.path / "checkpoints", directory.config.checkpoints) as checkpoints:
        steps = checkpoints.steps
        if not steps:
            raise UserError(f"{directory.path}: has no checkpoint yet; allowed: a run that has one")
        if step is not None and step not in steps:
            raise UserError(f"--step = {step}; allowed: {', '.join(map(str, steps))}, as kept")
        step = steps[-1] if step is None else step
        return step, checkpoints.restore(step, shapes)


def save_matrix(path: Path, matrix: Float[np.ndarray, "fan_in out"]) -> None:
    """Write a .npy file, whole or not at all. Raises UserError where there is another already."""
    stream = io.BytesIO()
    np.save(stream, matrix, allow_pickle=False)
    content = stream.getvalue()
    if path.exists() and (path.is_dir() or path.read_bytes() != content):
        raise UserError(f"{path}: is there already, and is not this matrix; allowed: a new name")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content)
