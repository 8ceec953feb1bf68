"""Time of the parts of a training step, by network: python -m benchmarks.parts [NAME ...].

Forward, backward, update, drawing a batch, evaluation and checkpoints are compared with the whole
step, and the step's operations with the machine's matrix-product peak. The cost of drawing within
the step is the time of a step less that of a step on a batch drawn before. All parts of a network
and the peak are timed in turns within one process. Figures are medians over the turns.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.flops import training_flops_per_sequence
from benchmarks.machine import MATRIX_SIDE, matrix_product
from benchmarks.reporting import Figures, median, parser_of, show
from icl.cli.arguments import run_command
from icl.config import ExperimentConfig
from icl.config.find import CONFIGS
from icl.config.yaml import load_config
from icl.data.batches import draw_indices
from icl.data.sources.on_device import example_items
from icl.problems.base import Program
from icl.problems.cost import network_costs
from icl.problems.load import load_program
from icl.problems.sequences import SequenceProblem
from icl.records.checkpoints import Checkpoints
from icl.training.losses import sequence_loss
from icl.training.optimizer import make_optimizer
from icl.training.step import TrainState, Update, train_until
from icl.types import Sequence, Variables

TURNS = 9
OF_PEAK = "useful operations of the step over the peak's"
# Settings of the benchmark networks on top of the quickstart with one label per class.
NETWORKS: dict[str, tuple[str, ...]] = {
    "2 layers, MLP encoder, batch 64": (),
    "12 layers, linear encoder, batch 32": (
        "model.num_layers=12",
        "model.embedder.kind=linear",
        "training.batch_size=32",
    ),
    "12 layers, ResNet encoder, batch 32": (
        "model.num_layers=12",
        "model.embedder.kind=resnet",
        "training.batch_size=32",
    ),
    "LSTM, 2 layers, batch 64": ("model.kind=lstm",),
}
QUICK = ("2 layers, MLP encoder, batch 64",)


def main() -> int:
    parser = parser_of("Measure the parts of a training step.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="networks (default: all)")
    arguments = parser.parse_args()
    chosen = {
        name: words
        for name, words in NETWORKS.items()
        if not arguments.names or any(text in name for text in arguments.names)
    }
    show({name: measure(words) for name, words in chosen.items()}, arguments.json)
    return 0


def measure(words: tuple[str, ...], turns: int = TURNS) -> Figures:
    """Shares of the step's time, then speed and operations of the step."""
    config = config_of(words)
    program = load_program(config)
    with tempfile.TemporaryDirectory() as folder:
        tasks = _tasks(program, config, Path(folder))
        for task in tasks.values():
            task()  # compiles
        times: dict[str, list[float]] = {name: [] for name in tasks}
        for _ in range(turns):
            for name, task in tasks.items():
                times[name].append(task())
    flops = useful_flops(program, config)
    seconds = {name: np.array(values) for name, values in times.items()}
    step, every = seconds["step"], config.evaluation.every
    figures = {
        OF_PEAK: flops / step / (2 * MATRIX_SIDE**3 / seconds["peak"]),
        "share: drawing, within the step": 1 - seconds["step on one batch"] / step,
        "share: drawing the batch": seconds["batch"] / step,
        "share: drawing it as integers": seconds["integers"] / step,
        "share: forward": seconds["forward"] / step,
        "share: backward": (seconds["gradient"] - seconds["forward"]) / step,
        "share: update": seconds["update"] / step,
        f"share: an evaluation every {every} steps": seconds["evaluation"] / every / step,
        "share: a checkpoint every 1,000 steps": seconds["checkpoint"] / 1000 / step,
        "sequences/s": config.training.batch_size / step,
    }
    return {name: median(values) for name, values in figures.items()} | {
        "useful operations of a step, millions": flops / 1e6
    }


def config_of(words: tuple[str, ...]) -> ExperimentConfig:
    """Config of one of the benchmark networks."""
    return load_config(CONFIGS / "quickstart.yaml", ["data.label_multiplicity=1", *words])


def train_steps(
    program: Program, config: ExperimentConfig, num_sequences: int = 1024
) -> Callable[[], float]:
    """Make a function that measures the seconds of a training step on `num_sequences` sequences."""
    inputs, arrays = program.inputs(config), program.arrays
    return _stepping(
        lambda state, stop: program.train(state, stop, inputs, arrays),
        program.init(inputs),
        max(1, num_sequences // config.training.batch_size),
    )


def _tasks(
    program: Program, config: ExperimentConfig, folder: Path
) -> dict[str, Callable[[], float]]:
    """Make functions that measure the seconds of each part."""
    inputs, arrays, problem = program.inputs(config), program.arrays, program.problem
    assert isinstance(problem, SequenceProblem)
    state = program.init(inputs)
    number_of_saves = 0
    key, family = jax.random.key(0), problem.families["train"]
    size = config.training.batch_size
    sequence = problem.draw(key, size, family, inputs.knobs)[1]

    loss_of = sequence_loss(problem.network.apply, inputs.rates)

    def loss(params: dict, others: dict, sequence: Sequence) -> jax.Array:
        return loss_of(Variables(params, others), sequence)[0]

    params, others = state.variables
    forward, gradient = jax.jit(loss), jax.jit(jax.value_and_grad(loss))
    update = jax.jit(
        lambda grads, optimizer, params: make_optimizer(inputs.rates).update(
            grads, optimizer, params
        )
    )
    grads = gradient(params, others, sequence)[1]
    integers = jax.jit(lambda key: draw_indices(key, family, inputs.knobs, size))
    trained = program.init(inputs)
    on_one_batch = jax.jit(
        lambda state, stop, sequence: train_until(
            state, stop, key, Update(lambda *_: sequence, loss_of, inputs.rates)
        ),
        donate_argnums=0,
    )

    def checkpoint() -> float:
        nonlocal number_of_saves
        number_of_saves += 1
        begin = time.perf_counter()
        with Checkpoints(folder, config.checkpoints) as checkpoints:
            checkpoints.save(number_of_saves, trained)
        return time.perf_counter() - begin

    return {
        "peak": matrix_product,
        "batch": _timed(lambda: problem.draw(key, size, family, inputs.knobs)),
        "integers": _timed(lambda: integers(key)),
        "forward": _timed(lambda: forward(params, others, sequence)),
        "gradient": _timed(lambda: gradient(params, others, sequence)),
        "update": _timed(lambda: update(grads, state.optimizer, params)),
        "step": train_steps(program, config),
        "step on one batch": _stepping(
            lambda state, stop: on_one_batch(state, stop, sequence),
            program.init(inputs),
            max(1, 1024 // size),
        ),
        "evaluation": _timed(lambda: program.evaluate(trained, inputs, arrays)),
        "checkpoint": checkpoint,
    }


def _stepping(
    train: Callable[[TrainState, jax.Array], TrainState], state: TrainState, num_steps: int
) -> Callable[[], float]:
    """Make a function that measures the seconds of a step over `num_steps` consecutive steps."""
    done = 0

    def seconds() -> float:
        nonlocal state, done
        done += num_steps
        begin = time.perf_counter()
        state = jax.block_until_ready(train(state, jnp.int32(done)))
        return (time.perf_counter() - begin) / num_steps

    return seconds


def _timed(work: Callable[[], object]) -> Callable[[], float]:
    def seconds() -> float:
        begin = time.perf_counter()
        jax.block_until_ready(work())
        return time.perf_counter() - begin

    return seconds


def useful_flops(program: Program, config: ExperimentConfig) -> int:
    """Operations of a training step: by formula, or, without one, those counted in the program."""
    if config.model.kind == "transformer" and config.model.embedder.kind in ("mlp", "linear"):
        return training_flops_per_sequence(config) * config.training.batch_size
    assert isinstance(program.problem, SequenceProblem)
    costs = network_costs(config, example_items(config.data, program.problem.exemplars))
    return costs["training_flops_per_sequence"] * config.training.batch_size


if __name__ == "__main__":
    run_command(main)
