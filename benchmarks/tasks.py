"""Training on a task compared with eager PyTorch: python -m benchmarks.tasks.

The network is that of configs/liu2023/base.yaml: 300 ReLU units, 32 trials of 8 steps. Here each
step draws its trials. PyTorch, if installed, uses one batch drawn before. It runs with its default
number of threads and with one, because its threads wait for each other on a shared machine. All are
timed in turns within one process. Figures are medians over the turns.
"""

import importlib
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.reporting import Figures, median, parser_of, show
from icl.cli.arguments import run_command
from icl.config import TaskExperimentConfig
from icl.config.find import CONFIGS
from icl.config.yaml import load_config
from icl.models.task_networks import RECURRENT_GAIN
from icl.problems.base import Program
from icl.problems.load import load_program
from icl.problems.trials import TrialProblem
from icl.types import Trials

TURNS = 9
STEPS = 50  # consecutive steps in each turn


def main() -> int:
    show(measure(), parser_of("Measure training on a task.").parse_args().json)
    return 0


def measure(turns: int = TURNS) -> Figures:
    """Speed as a multiple of PyTorch's, if it is installed, then iterations per second here."""
    config = load_config(CONFIGS / "liu2023" / "base.yaml")
    program = load_program(config)
    assert isinstance(config, TaskExperimentConfig)
    sides = {"here": own_steps(program)}
    if find_spec("torch"):
        knobs, key = program.inputs(config).knobs, jax.random.key(0)
        assert isinstance(program.problem, TrialProblem)
        task = program.problem.task
        trials = task.draw(key, config.training.batch_size, knobs, program.arrays)
        sides |= torch_sides(config, trials, task.num_outputs)
    times: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(turns + 1):
        for name, measured in sides.items():
            elapsed = measured()
            if turn:  # the first compiles
                times[name].append(elapsed)
    seconds = {name: np.array(values) for name, values in times.items()}
    own = seconds.pop("here")
    ratios = {f"times {name}": median(others / own) for name, others in seconds.items()}
    return ratios | {"iterations/s": median(1 / own)}


def own_steps(program: Program) -> Callable[[], float]:
    """Make a function that measures the seconds of a training step."""
    inputs, done = program.inputs(program.config), 0
    state = program.init(inputs)

    def seconds() -> float:
        nonlocal state, done
        done += STEPS
        begin = time.perf_counter()
        state = jax.block_until_ready(program.train(state, jnp.int32(done), inputs, program.arrays))
        return (time.perf_counter() - begin) / STEPS

    return seconds


def torch_sides(
    config: TaskExperimentConfig, trials: Trials, num_outputs: int
) -> dict[str, Callable[[], float]]:
    """Make functions that measure the seconds of a training step in PyTorch, by threads."""
    torch = importlib.import_module("torch")
    num_threads = torch.get_num_threads()
    step = torch_step(torch, config, trials, num_outputs)

    def seconds(num_threads: int) -> float:
        torch.set_num_threads(num_threads)
        begin = time.perf_counter()
        for _ in range(STEPS):
            step()
        return (time.perf_counter() - begin) / STEPS

    return {
        f"eager PyTorch, {num_threads} threads as by default": lambda: seconds(num_threads),
        "eager PyTorch, 1 thread": lambda: seconds(1),
    }


def torch_step(
    torch: Any, config: TaskExperimentConfig, trials: Trials, num_outputs: int
) -> Callable[[], None]:
    """Make a training step in idiomatic PyTorch: a loop over the steps of a trial.

    It has no leak and does not check that numbers are finite.
    """
    inputs = torch.from_numpy(np.array(trials.inputs))
    targets = torch.from_numpy(np.array(trials.targets, np.int64))
    (batch_size, num_steps, num_inputs), width = inputs.shape, config.model.width
    enter, recur, read = (
        torch.nn.Linear(*shape, bias=False)
        for shape in ((num_inputs, width), (width, width), (width, num_outputs))
    )
    torch.nn.init.normal_(recur.weight, std=RECURRENT_GAIN * width**-0.5)
    optimizer = torch.optim.SGD(
        [layer.weight for layer in (enter, recur, read)],
        lr=config.training.learning_rate,
        momentum=config.training.momentum,
    )
    loss_of = torch.nn.CrossEntropyLoss()

    def step() -> None:
        h, logits = torch.zeros(batch_size, width), []
        for t in range(num_steps):
            h = torch.relu(enter(inputs[:, t]) + recur(h))
            logits.append(read(h))
        loss = loss_of(torch.stack(logits, 1).flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


if __name__ == "__main__":
    run_command(main)
