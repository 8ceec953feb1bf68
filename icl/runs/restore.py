"""Reads checkpoints of a run back: its whole state, or one weight matrix, saved as a file.

Other runs can start from such a file: initial connectivity of kind `file` or `aligned`.
"""

import io
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from icl.config import AnyConfig
from icl.config.yaml import load_config
from icl.errors import UserError, allowed
from icl.files import write_whole
from icl.problems.base import Program
from icl.problems.load import load_program
from icl.records.checkpoints import Checkpoints
from icl.records.missing_parts import naming_missing_parts
from icl.records.run_directory import CONFIG
from icl.training.step import TrainState

ATTEMPTS = 5  # at the last checkpoint of a run that replaces it meanwhile


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

    Nothing is written, so that the folder may be read-only, and the run may be in training.

    Raises UserError for a folder that holds no run, and for a step without checkpoint.
    """
    path = Path(run)
    if not (path / CONFIG).exists():
        raise UserError(f"{path}: not the folder of a run (it has no {CONFIG}); allowed: one")
    with naming_missing_parts(path):
        config = load_config(path / CONFIG)
    program = load_program(config.model_copy(update={"connectivity": {}}))
    chosen, state = state_at(path, config, program.shapes, step)
    return program, chosen, state


def state_at(
    path: Path, config: AnyConfig, shapes: TrainState, step: int | None = None
) -> tuple[int, TrainState]:
    """The step and state of one of a run's checkpoints; None: the last. Writes nothing.

    shapes: shapes and types of the state.

    Raises UserError for a step without checkpoint.
    """
    folder = (path / "checkpoints").absolute()  # Orbax takes no other
    for _ in range(ATTEMPTS):
        with Checkpoints(folder, config.checkpoints, read_only=True) as checkpoints:
            steps = checkpoints.steps
            if not steps:
                raise UserError(f"{path}: has no checkpoint yet; allowed: a run that has one")
            if step is not None and step not in steps:
                raise UserError(f"--step = {step}; allowed: {', '.join(map(str, steps))}, as kept")
            chosen = steps[-1] if step is None else step
            try:
                state = checkpoints.restore(chosen, shapes)
            except UserError:
                if step is None and not (folder / str(chosen)).exists():
                    continue  # the run has deleted it, as newer ones are there
                raise
            return chosen, jax.tree.map(jnp.asarray, state)
    raise UserError(f"{path}: deletes checkpoints as fast as they are read; allowed: --step")


def save_matrix(path: Path, matrix: Float[np.ndarray, "fan_in out"]) -> None:
    """Write a .npy file, whole or not at all. Raises UserError where another file is there."""
    stream = io.BytesIO()
    np.save(stream, matrix, allow_pickle=False)
    content = stream.getvalue()
    if path.exists() and (path.is_dir() or path.read_bytes() != content):
        raise UserError(f"{path}: is there already, and is not this matrix; allowed: a new name")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content)
