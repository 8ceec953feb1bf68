"""Reads checkpoints of a run back: its whole state, or one weight matrix, saved as a file.

Other runs can start from such a file: initial connectivity of kind `file` or `aligned`.
"""

import io
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from icl.config.yaml import load_config
from icl.errors import UserError, allowed
from icl.files import write_whole
from icl.problems.base import Program
from icl.problems.load import load_program
from icl.records.checkpoints import Checkpoints, State
from icl.records.run_directory import CONFIG, RunDirectory
from icl.training.step import TrainState


def matrix_of(
    run: str | Path, name: str, step: int | None = None
) -> tuple[int, Float[np.ndarray, "fan_in out"]]:
    """The step of a run's checkpoint and the weight matrix of this name at that step.

    name: see `icl.models.matrices`. step: of a checkpoint; None: the last.

    Raises UserError where `restore_run` does, and for a name that the run does not have.
    """
    program, step, state = restore_run(run, step)
    matrices = program.matrices(state)
    if name not in matrices:
        raise UserError(f"matrix = {name}; {allowed(name, matrices)}")
    return step, np.asarray(matrices[name])


def restore_run(run: str | Path, step: int | None = None) -> tuple[Program, int, TrainState]:
    """A run's program, and the step and state of one of its checkpoints; None: the last.

    The program is built without the config's `connectivity`, since a file that the run started
    from may be gone. Hence `program.init` does not give the run's own initial state. Measures that
    compare a state with the initial one, such as representation alignment, need the run's own: load
    the program of `config.yaml` with `icl.problems.load.load_program`.

    Raises UserError for a folder that holds no run or is in use, and for a step without
    checkpoint.
    """
    path = Path(run)
    if not (path / CONFIG).exists():
        raise UserError(f"{path}: not the folder of a run (it has no {CONFIG}); allowed: one")
    config = load_config(path / CONFIG)
    program = load_program(config.model_copy(update={"connectivity": {}}))
    with RunDirectory(path, config) as directory:
        step, state = _restore(directory, program.shapes, step)
    return program, step, jax.tree.map(jnp.asarray, state)


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
    """Write a .npy file, whole or not at all. Raises UserError where another file is there."""
    stream = io.BytesIO()
    np.save(stream, matrix, allow_pickle=False)
    content = stream.getvalue()
    if path.exists() and (path.is_dir() or path.read_bytes() != content):
        raise UserError(f"{path}: is there already, and is not this matrix; allowed: a new name")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content)
