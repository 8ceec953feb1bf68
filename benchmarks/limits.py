"""Upper limit of the speed of a training step on this machine: python -m benchmarks.limits.

The limit is the time of the step's matrix products alone: the same shapes and counts, forward and
backward, compiled by XLA with nothing between them. A step cannot be faster than its products.
Everything is timed in turns within one process. Figures are medians over the turns.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend import core

from benchmarks.machine import MATRIX_SIDE, matrix_product
from benchmarks.parts import NETWORKS, config_of, train_steps, useful_flops
from benchmarks.reporting import Figures, median, parser_of, show
from benchmarks.tasks import own_steps
from icl.cli.arguments import run_command
from icl.config import ExperimentConfig
from icl.config.find import CONFIGS
from icl.config.yaml import load_config
from icl.problems.base import Program
from icl.problems.cost import programs_inside
from icl.problems.load import load_program
from icl.problems.sequences import SequenceProblem
from icl.problems.trials import TrialProblem
from icl.training.losses import sequence_loss, task_loss
from icl.types import Variables

TURNS = 9
REPEATS = 5  # steps in a compiled loop


class Product(NamedTuple):
    """`times` matrix products of [batch, rows, inner] and [batch, inner, columns]."""

    rows: int
    inner: int
    columns: int
    batch: int = 1
    times: int = 1


def main() -> int:
    show(measure(), parser_of("Measure the limits of a training step.").parse_args().json)
    return 0


def measure(turns: int = TURNS) -> dict[str, Figures]:
    """Figures by network."""
    figures = {name: _of_sequences(config_of(words), turns) for name, words in NETWORKS.items()}
    return figures | {"ReLU units, 300, batch 32": _of_trials(turns)}


def _of_sequences(config: ExperimentConfig, turns: int) -> Figures:
    program = load_program(config)
    products, flops = sequence_products(program, config), useful_flops(program, config)
    return _measure(train_steps(program, config), products, flops, turns)


def _of_trials(turns: int) -> Figures:
    """Figures of the network of `benchmarks.tasks`, all of whose products are useful."""
    program = load_program(load_config(CONFIGS / "liu2023" / "base.yaml"))
    products = trial_products(program)
    return _measure(own_steps(program), products, sum(map(_operations, products)), turns)


def _measure(step: Callable[[], float], products: list[Product], flops: int, turns: int) -> Figures:
    """Figures of a step. step: measures its seconds. flops: its useful operations."""
    works = {"peak": matrix_product, "step": step, "products": _repeated(products)}
    for work in works.values():
        work()  # compiles
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(turns):
        for name, work in works.items():
            times[name].append(work())
    seconds = {name: np.array(values) for name, values in times.items()}
    peak = 2 * MATRIX_SIDE**3 / seconds["peak"]
    return {
        "useful operations over the peak's: the step": median(flops / seconds["step"] / peak),
        "useful operations over the peak's: its products alone": median(
            flops / seconds["products"] / peak
        ),
        "time of its products alone over the step's": median(seconds["products"] / seconds["step"]),
        "operations of all products over useful ones": sum(map(_operations, products)) / flops,
    }


def sequence_products(program: Program, config: ExperimentConfig) -> list[Product]:
    """Matrix products of the loss of sequences and its gradient."""
    problem, inputs = program.problem, program.inputs(config)
    assert isinstance(problem, SequenceProblem)
    family, size = problem.families["train"], config.training.batch_size
    _, sequence = problem.draw(jax.random.key(0), size, family, inputs.knobs)
    params, others = program.init(inputs).variables

    loss_of = sequence_loss(problem.network.apply, inputs.rates)
    return _of_gradient(lambda params: loss_of(Variables(params, others), sequence)[0], params)


def trial_products(program: Program) -> list[Product]:
    """Matrix products of the loss of a task and its gradient."""
    problem, inputs = program.problem, program.inputs(program.config)
    assert isinstance(problem, TrialProblem)
    size = program.config.training.batch_size
    trials = problem.task.draw(jax.random.key(0), size, inputs.knobs, program.arrays)

    def loss(params: dict) -> jax.Array:
        return task_loss(problem.network.apply(params, trials.inputs)[0], trials).mean()

    return _of_gradient(loss, program.init(inputs).variables.params)


def _of_gradient(loss: Callable[[dict], jax.Array], params: dict) -> list[Product]:
    counts = Counter(_products(jax.make_jaxpr(jax.grad(loss))(params).jaxpr, 1))
    return [product._replace(times=times) for product, times in counts.items()]


def _products(jaxpr: core.Jaxpr, times: int) -> Iterator[Product]:
    """Yield products one by one, those of a scan as often as it runs."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            yield from [_product(equation)] * times
        length = equation.params["length"] if equation.primitive.name == "scan" else 1
        for inner in programs_inside(equation.params):
            yield from _products(inner, times * length)


def _product(equation: Any) -> Product:
    (contracted, _), (batched, _) = equation.params["dimension_numbers"]
    left, right = (variable.aval.shape for variable in equation.invars)
    inner = math.prod(left[i] for i in contracted)
    batch = math.prod(left[i] for i in batched)
    return Product(
        math.prod(left) // inner // batch, inner, math.prod(right) // inner // batch, batch
    )


def _operations(product: Product) -> int:
    return 2 * product.rows * product.inner * product.columns * product.batch * product.times


def _repeated(products: list[Product]) -> Callable[[], float]:
    """Make a function that measures the seconds of all products."""
    pairs = [_factors(product) for product in products]

    def body(_: jax.Array, pairs: list) -> list:
        after = []
        for product, (a, b) in zip(products, pairs, strict=True):
            for _repeat in range(product.times):
                # Each depends on the one before; otherwise XLA would remove all but one.
                a = lax.dynamic_update_slice(a, 1e-9 * (a @ b)[..., :1, :1], (0,) * a.ndim)
            after.append((a, b))
        return after

    work = jax.jit(lambda pairs: lax.fori_loop(0, REPEATS, body, pairs))

    def seconds() -> float:
        begin = time.perf_counter()
        jax.block_until_ready(work(pairs))
        return (time.perf_counter() - begin) / REPEATS

    return seconds


def _factors(product: Product) -> tuple[jax.Array, jax.Array]:
    rows, inner, columns, batch, _ = product
    lead = () if batch == 1 else (batch,)
    return jnp.ones((*lead, rows, inner)), jnp.ones((*lead, inner, columns))


if __name__ == "__main__":
    run_command(main)
