"""What a training step could reach at best here: python -m benchmarks.limits.

Of a training step, its matrix products alone: the same shapes, as often, forward and backward, with
nothing between them, as this machine's compiler runs them. A step cannot be faster than its
products. All is timed in turns within one process; medians over the turns.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend import core

from benchmarks.machine import MATRIX_SIDE, matrix_product
from benchmarks.parts import NETWORKS, config_of, train_steps, useful_flops
from benchmarks.tell import Figures, median, parser_of, tell
from icl.command_line import run_command
from icl.config import ExperimentConfig
from icl.data.exemplars import load_exemplars
from icl.description.cost import programs_inside
from icl.experiment import SequenceProgram, make_program
from icl.training import query_loss
from icl.types import Variables

TURNS = 9
REPEATS = 5  # steps in a compiled loop


class Product(NamedTuple):
    """`times` of them, of [batch, rows, inner] and [batch, inner, columns] each."""

    rows: int
    inner: int
    columns: int
    batch: int = 1
    times: int = 1


def main() -> int:
    tell(measure(), parser_of("Measure the limits of a training step.").parse_args().json)
    return 0


def measure(turns: int = TURNS) -> dict[str, Figures]:
    """By network."""
    return {name: _measure(config_of(words), turns) for name, words in NETWORKS.items()}


def _measure(config: ExperimentConfig, turns: int) -> Figures:
    program = make_program(config, load_exemplars(config.data.source))
    products = training_products(program, config)
    batched = [product for product in products if product.batch > 1]
    works = {
        "peak": matrix_product,
        "step": train_steps(program, config),
        "products": _repeated(products),
        "attention": _repeated(batched),
    }
    for work in works.values():
        work()  # compiles
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(turns):
        for name, work in works.items():
            times[name].append(work())
    flops = useful_flops(program, config)
    peak = [2 * MATRIX_SIDE**3 / seconds for seconds in times["peak"]]

    def ratio(of: str, to: str) -> float:
        return median([a / b for a, b in zip(times[of], times[to], strict=True)])

    def share(name: str) -> float:
        return median([flops / s / p for s, p in zip(times[name], peak, strict=True)])

    return {
        "useful operations over the peak's: the step": share("step"),
        "useful operations over the peak's: its products alone": share("products"),
        "time of its products alone over the step's": ratio("products", "step"),
        "time of attention's products over all products'": ratio("attention", "products"),
        "operations of all products over useful ones": sum(map(_operations, products)) / flops,
    }


def training_products(program: SequenceProgram, config: ExperimentConfig) -> list[Product]:
    """Those of the loss and its gradient."""
    inputs = program.inputs(config)
    _, sequence = program.draw(
        jax.random.key(0),
        config.training.batch_size,
        program.families["train"],
        inputs.knobs,
        program.arrays,
    )
    params, others = program.init(inputs).variables

    def loss(params: dict) -> jax.Array:
        logits = program.network.apply(Variables(params, others), sequence, training=True)[0]
        return query_loss(logits, sequence.labels).mean()

    counts = Counter(_products(jax.make_jaxpr(jax.grad(loss))(params).jaxpr, 1))
    return [product._replace(times=times) for product, times in counts.items()]


def _products(jaxpr: core.Jaxpr, times: int) -> Iterator[Product]:
    """One by one, those of a scan as often as it runs."""
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
    """Seconds of all of them once."""
    pairs = [_factors(product) for product in products]

    def body(_: jax.Array, pairs: list) -> list:
        after = []
        for product, (a, b) in zip(products, pairs, strict=True):
            for _repeat in range(product.times):
                # Each depends on the one before, or all but one would be left out.
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
