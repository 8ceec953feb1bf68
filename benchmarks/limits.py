"""What a training step could reach at best here: python -m benchmarks.limits.

Of a transformer's training step, its matrix products alone: the same shapes, as often, forward and
backward, with nothing between them, as this machine's compiler runs them. A step cannot be faster
than its products. All is timed in turns within one process; medians over the turns.
"""

import math
import time
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from benchmarks.flops import training_flops_per_sequence
from benchmarks.machine import MATRIX_SIDE, matrix_product
from benchmarks.parts import NETWORKS, config_of, train_steps
from benchmarks.tell import Figures, median, parser_of, tell
from icl.command_line import run_command
from icl.config import ExperimentConfig
from icl.config.models import TransformerConfig
from icl.data.exemplars import load_exemplars
from icl.experiment import make_program

TURNS = 9
NAMES = ("2 layers, MLP encoder, batch 64", "12 layers, linear encoder, batch 32")
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
    return {name: _measure(config_of(NETWORKS[name]), turns) for name in NAMES}


def _measure(config: ExperimentConfig, turns: int) -> Figures:
    program = make_program(config, load_exemplars(config.data.source))
    products = training_products(config)
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
    flops = training_flops_per_sequence(config) * config.training.batch_size
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


def training_products(config: ExperimentConfig) -> list[Product]:
    """Those of a step: each forward one, and the two that its gradients are."""
    model, batch = config.model, config.training.batch_size
    assert isinstance(model, TransformerConfig)
    items, width = config.data.context_len + 1, model.width
    tokens, hidden = 2 * config.data.context_len + 1, model.mlp_ratio * model.width
    pixels = math.prod(config.data.source.shape or ())
    whole, head_dim = model.num_layers - 1, width // model.num_heads
    between = [model.embedder.hidden_dim] if model.embedder.kind == "mlp" else []
    encoder = [pixels, *between, width]
    forward = [
        *[Product(batch * items, a, b) for a, b in pairwise(encoder)],
        # Queries, keys and values; what attention gives; the MLP.
        Product(batch * tokens, width, 3 * width, times=whole),
        Product(batch * tokens, width, width, times=whole),
        Product(batch * tokens, width, hidden, times=whole),
        Product(batch * tokens, hidden, width, times=whole),
        # The same of the last block, at the query alone but for keys and values.
        Product(batch * tokens, width, 2 * width),
        Product(batch, width, width, times=2),
        Product(batch, width, hidden),
        Product(batch, hidden, width),
        Product(batch, width, config.data.num_labels),
        # Scores and values.
        Product(tokens, head_dim, tokens, batch * model.num_heads, whole),
        Product(tokens, tokens, head_dim, batch * model.num_heads, whole),
        Product(1, head_dim, tokens, batch * model.num_heads),
        Product(1, tokens, head_dim, batch * model.num_heads),
    ]
    backward = []
    for index, (rows, inner, columns, group, times) in enumerate(forward):
        backward.append(Product(inner, rows, columns, group, times))  # towards the second factor
        if index > 0:  # none towards the pixels
            backward.append(Product(rows, columns, inner, group, times))
    return forward + backward


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
