"""Parts of networks in two forms, forward and backward."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx

from benchmarks.forms import Form, Forms, trained
from icl.models.attention import attend, attend_in_training
from icl.models.images import as_maxima, as_product
from icl.models.layers import Layers
from icl.models.recurrence import State, hidden_states

IMAGES, BATCH, TOKENS, HEADS, HEAD_DIM, LABELS = 288, 32, 17, 8, 8, 1623
WIDTH, UNITS = HEADS * HEAD_DIM, 300


def _normal(*shape: int) -> jax.Array:
    return jax.random.normal(jax.random.key(len(shape)), shape)


def _convolution(side: int, c_in: int, c_out: int, size: int, stride: int) -> Forms:
    graph, params = nnx.split(Layers(nnx.Rngs(0)).conv(c_in, c_out, size, stride, bias=False))
    x = _normal(IMAGES, side, side, c_in)

    def in_form(form: Callable[[nnx.Conv, jax.Array], jax.Array]) -> Form:
        return lambda params: form(nnx.merge(graph, params), x)

    return trained(params, in_form(lambda layer, x: layer(x)), in_form(as_product))


def _pooling() -> Forms:
    def windows(x: jax.Array) -> jax.Array:
        return nnx.max_pool(x, (3, 3), (2, 2), "SAME")

    return trained(_normal(IMAGES, 14, 14, 64), windows, lambda x: as_maxima(x, 3, 2))


def _attention() -> Forms:
    qkv = _normal(3, BATCH, TOKENS, HEADS, HEAD_DIM)
    scale = HEAD_DIM**-0.5

    def in_form(form: Callable[..., tuple[jax.Array, jax.Array]]) -> Form:
        return lambda x: form(x[0], x[1], x[2], scale)[0]

    return trained(qkv, in_form(attend), in_form(attend_in_training))


def _recurrence() -> Forms:
    """ReLU units, the network of Liu et al. 2023."""
    added = _normal(8, BATCH, UNITS)

    def cell(total: jax.Array, own: None, state: State) -> State:
        return (jax.nn.relu(total),)

    def in_form(own_gradient: bool) -> Form:
        return lambda matrix: hidden_states(cell, matrix, added, 1, own_gradient=own_gradient)

    return trained(_normal(UNITS, UNITS) / UNITS**0.5, in_form(False), in_form(True))


def _three_products() -> Forms:
    x = _normal(BATCH * TOKENS, WIDTH)

    def apart(weights: jax.Array) -> jax.Array:
        return jnp.concatenate([x @ part for part in weights], axis=1)

    def joined(weights: jax.Array) -> jax.Array:
        return x @ weights.transpose(1, 0, 2).reshape(WIDTH, 3 * WIDTH)

    return trained(_normal(3, WIDTH, WIDTH), apart, joined)


def _labels() -> Forms:
    labels = jax.random.randint(jax.random.key(0), (BATCH, TOKENS // 2), 0, LABELS)

    def one_hot(table: jax.Array) -> jax.Array:
        return jax.nn.one_hot(labels, LABELS) @ table

    return trained(_normal(LABELS, WIDTH), one_hot, lambda table: table[labels])


def _query_alone() -> Forms:
    x = _normal(BATCH, TOKENS, WIDTH)
    weights = {"inner": _normal(WIDTH, 4 * WIDTH) / 8, "outer": _normal(4 * WIDTH, WIDTH) / 16}

    def mlp(weights: dict[str, jax.Array], x: jax.Array) -> jax.Array:
        return jax.nn.gelu(x @ weights["inner"]) @ weights["outer"]

    return trained(weights, lambda w: mlp(w, x)[:, -1], lambda w: mlp(w, x[:, -1]))


NETWORK_LEVERS: dict[str, Callable[[], Forms]] = {
    "first convolution, 7 x 7, over its product": lambda: _convolution(28, 1, 64, 7, 2),
    "inner convolution, 3 x 3, over its product": lambda: _convolution(7, 4, 4, 3, 1),
    "outer convolution, 1 x 1, over its product": lambda: _convolution(7, 16, 64, 1, 1),
    "pooling over windows over maxima of slices": _pooling,
    "attention's derived gradient over its own": _attention,
    "recurrence's derived gradient over its own, 300 units": _recurrence,
    "queries, keys and values by three products over one": _three_products,
    "labels by one-hot products over look-ups": _labels,
    "an MLP at all tokens over the query alone": _query_alone,
}
