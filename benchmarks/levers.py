"""What makes training fast, each piece beside what it stands for: python -m benchmarks.levers.

Both forms compute the same numbers, forward and backward, at the sizes of the networks that speed
is stated of, and are timed in turns within one process. What is said is how many times as long the
other form takes.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from benchmarks.tell import parser_of, tell
from icl.command_line import run_command
from icl.models.attention import attend, attend_in_training
from icl.models.images import as_maxima, as_product
from icl.models.layers import Make

TURNS = 9
REPEATS = 5  # within one compiled loop, so that the call itself does not count
IMAGES, BATCH, TOKENS, HEADS, HEAD_DIM, LABELS = 288, 32, 17, 8, 8, 1623
WIDTH = HEADS * HEAD_DIM

Form = Callable[[Any], jax.Array]


def main() -> int:
    tell(measure(), parser_of("Measure what makes training fast.").parse_args().json)
    return 0


def measure(turns: int = TURNS) -> dict[str, float]:
    """Time of the other form over that of the one in use, medians over turns."""
    figures = {}
    for name, make in LEVERS.items():
        argument, other, own = make()
        works = [_compiled(form, argument) for form in (other, own)]
        pairs = [[_seconds(work, argument) for work in works] for _ in range(turns)]
        figures[name] = statistics.median(a / b for a, b in pairs)
    return figures


def _compiled(form: Form, argument: Any) -> Callable[[Any], Any]:
    """Value and gradient of a form, a few times."""

    def loss(argument: Any) -> jax.Array:
        return jnp.sum(jnp.sin(form(argument)))

    def body(_: jax.Array, argument: Any) -> Any:
        # Each depends on the one before, or all but one would be left out.
        return jax.tree.map(lambda a, g: a + 1e-6 * g, argument, jax.grad(loss)(argument))

    work = jax.jit(lambda argument: lax.fori_loop(0, REPEATS, body, argument))
    jax.block_until_ready(work(argument))
    return work


def _seconds(work: Callable[[Any], Any], argument: Any) -> float:
    begin = time.perf_counter()
    jax.block_until_ready(work(argument))
    return time.perf_counter() - begin


def _normal(*shape: int) -> jax.Array:
    return jax.random.normal(jax.random.key(len(shape)), shape)


def _convolution(side: int, c_in: int, c_out: int, size: int, stride: int) -> tuple:
    graph, params = nnx.split(Make(nnx.Rngs(0)).conv(c_in, c_out, size, stride, bias=False))
    x = _normal(IMAGES, side, side, c_in)

    def in_form(form: Callable[[nnx.Conv, jax.Array], jax.Array]) -> Form:
        return lambda params: form(nnx.merge(graph, params), x)

    return params, in_form(lambda layer, x: layer(x)), in_form(as_product)


def _pooling() -> tuple:
    def windows(x: jax.Array) -> jax.Array:
        return nnx.max_pool(x, (3, 3), (2, 2), "SAME")

    return _normal(IMAGES, 14, 14, 64), windows, lambda x: as_maxima(x, 3, 2)


def _attention() -> tuple:
    qkv = _normal(3, BATCH, TOKENS, HEADS, HEAD_DIM)
    scale = HEAD_DIM**-0.5

    def in_form(form: Callable[..., tuple[jax.Array, jax.Array]]) -> Form:
        return lambda x: form(x[0], x[1], x[2], scale)[0]

    return qkv, in_form(attend), in_form(attend_in_training)


def _labels() -> tuple:
    labels = jax.random.randint(jax.random.key(0), (BATCH, TOKENS // 2), 0, LABELS)

    def one_hot(table: jax.Array) -> jax.Array:
        return jax.nn.one_hot(labels, LABELS) @ table

    return _normal(LABELS, WIDTH), one_hot, lambda table: table[labels]


def _query_alone() -> tuple:
    x = _normal(BATCH, TOKENS, WIDTH)
    weights = {"inner": _normal(WIDTH, 4 * WIDTH) / 8, "outer": _normal(4 * WIDTH, WIDTH) / 16}

    def mlp(weights: dict[str, jax.Array], x: jax.Array) -> jax.Array:
        return jax.nn.gelu(x @ weights["inner"]) @ weights["outer"]

    return weights, lambda w: mlp(w, x)[:, -1], lambda w: mlp(w, x[:, -1])


# Name to (argument, another form, the form in use).
LEVERS: dict[str, Callable[[], tuple[Any, Form, Form]]] = {
    "first convolution, 7 x 7, over its product": lambda: _convolution(28, 1, 64, 7, 2),
    "inner convolution, 3 x 3, over its product": lambda: _convolution(7, 4, 4, 3, 1),
    "outer convolution, 1 x 1, over its product": lambda: _convolution(7, 16, 64, 1, 1),
    "pooling over windows over maxima of slices": _pooling,
    "attention's derived gradient over its own": _attention,
    "labels by one-hot products over look-ups": _labels,
    "an MLP at all tokens over the query alone": _query_alone,
}


if __name__ == "__main__":
    run_command(main)
