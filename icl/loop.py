"""A run on the host: train, evaluate, record, save; or go on where it was stopped."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from icl.analysis.curves import draw_curves
from icl.analysis.pictures import draw_sequences
from icl.data.exemplars import load_exemplars
from icl.environment import describe_environment
from icl.errors import Interrupted, UserError
from icl.experiment import Experiment, make_experiment
from icl.probes.weights import measure_matrix
from icl.progress import Progress
from icl.records import load
from icl.records.checkpoints import Checkpoints, check_space
from icl.records.run_directory import CONNECTIVITY, RunDirectory, to_lines, write_whole
from icl.summary import make_record, summarize
from icl.training import TrainState

# The device works about this long between two looks at signals and the progress bar.
SECONDS_PER_CHUNK = 0.5


def complete(directory: RunDirectory, progress: Progress) -> None:
    """Train as configured, from the last checkpoint if there is one; leave summary and figures.

    Raises UserError for what a user can mend, Interrupted after a signal.
    """
    config = directory.config
    environment = describe_environment()
    progress.say(f"exemplars: {config.data.source.kind}")
    bank = load_exemplars(config.data.source)
    with _deferred_signals(progress) as received:
        experiment = make_experiment(config, bank)
        progress.say(f"network: {config.model.kind}, {experiment.num_parameters:,} parameters")
        if not directory.has_begun:
            check_space(directory.path, config.checkpoints, experiment.shapes)
        directory.begin(environment)
        with Checkpoints(directory.path / "checkpoints", config.checkpoints) as checkpoints:
            write_whole(directory.path / "sequences.png", draw_sequences(experiment))
            records = _train(experiment, directory, checkpoints, progress, received)
        write_whole(directory.path / "curves.png", draw_curves(load(directory.path)))
        summary = summarize(records)
        directory.log("end", step=config.training.num_steps)
        directory.finish(summary)
        progress.finished(summary, directory.path)


def _train(
    experiment: Experiment,
    directory: RunDirectory,
    checkpoints: Checkpoints,
    progress: Progress,
    received: list[int],
) -> list[dict[str, Any]]:
    """The steps that are not yet made, in chunks; returns the records of all evaluations."""
    config = experiment.config
    num_steps = config.training.num_steps
    start = time.perf_counter()
    state, records = _start_or_resume(experiment, directory, checkpoints, progress)
    step = int(state.step)
    chunk, is_compiled = 1, False
    with progress.training(num_steps, step):
        while True:
            if _is_due(step, config.evaluation.every, num_steps) and (
                not records or records[-1]["step"] < step
            ):
                records.append(make_record(config, state, experiment.evaluate(state)))
                directory.record(records[-1])
                progress.evaluated(records[-1])
                state = state._replace(
                    loss_sum=jnp.zeros_like(state.loss_sum),
                    loss_count=jnp.zeros_like(state.loss_count),
                )
            if step > 0 and (_is_due(step, config.checkpoints.every, num_steps) or received):
                checkpoints.save(step, state)
            if received:
                checkpoints.wait()
                directory.log("interrupt", step=step, signal=received[0])
                raise Interrupted(received[0], step)
            if step == num_steps:
                checkpoints.wait()
                return records
            stop = min(
                step + chunk,
                _next_due(step, config.evaluation.every),
                _next_due(step, config.checkpoints.every),
                num_steps,
            )
            state, seconds = _timed(experiment, state, stop, directory, checkpoints)
            if not is_compiled:
                seconds = time.perf_counter() - start  # all programs, the first evaluation too
                progress.compiled(stop, seconds)
                directory.log("compiled", seconds=round(seconds, 2))
                chunk, is_compiled = 10, True
            else:
                # At most fourfold, so that one fast reading cannot make a chunk too long.
                ratio = SECONDS_PER_CHUNK / max(seconds, 1e-6)
                chunk = max(1, int((stop - step) * min(ratio, 4.0)))
            step = stop
            progress.advance(step, float(state.loss_sum / jnp.maximum(state.loss_count, 1)))


def _start_or_resume(
    experiment: Experiment, directory: RunDirectory, checkpoints: Checkpoints, progress: Progress
) -> tuple[TrainState, list[dict[str, Any]]]:
    step = checkpoints.latest_step
    if step is None:
        directory.rewind(-1)
        state = experiment.init()
        measured = {
            name: measure_matrix(np.asarray(matrix))
            for name, matrix in experiment.matrices(state).items()
        }
        write_whole(directory.path / CONNECTIVITY, to_lines(measured))
        return state, []
    state = jax.device_put(checkpoints.restore(step, experiment.shapes))
    progress.say(f"going on from step {step}")
    records = directory.rewind(step)
    config = experiment.config
    every, num_steps = config.evaluation.every, config.training.num_steps
    expected = [s for s in range(step + 1) if _is_due(s, every, num_steps)]
    if [record["step"] for record in records] != expected:
        raise UserError(
            f"{directory.path}: metrics.jsonl does not hold the evaluations up to the checkpoint "
            f"at step {step}; restore the file or start in a new folder"
        )
    return state, records


def _timed(
    experiment: Experiment,
    state: TrainState,
    stop: int,
    directory: RunDirectory,
    checkpoints: Checkpoints,
) -> tuple[TrainState, float]:
    """Train until `stop`; the state and the seconds it took."""
    start = time.perf_counter()
    state = jax.block_until_ready(experiment.train(state, stop))
    bad_step = int(state.bad_step)
    if bad_step:
        checkpoints.wait()
        directory.log("diverged", step=bad_step)
        raise UserError(
            f"the loss or its gradient is not finite at step {bad_step}; lower "
            "training.learning_rate or set training.clip_norm; the last good checkpoint in "
            f"{checkpoints.path} is of step {checkpoints.latest_step or '(none yet)'}"
        )
    return state, time.perf_counter() - start


def _is_due(step: int, every: int, num_steps: int) -> bool:
    return step % every == 0 or step == num_steps


def _next_due(step: int, every: int) -> int:
    return (step // every + 1) * every


@contextmanager
def _deferred_signals(progress: Progress) -> Iterator[list[int]]:
    """Collect Ctrl+C and SIGTERM instead of ending; a second one ends at once."""
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)
        progress.say("stopping after this step; once more to stop at once")

    previous = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
