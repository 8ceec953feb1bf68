"""What is computed on a CPU for images is what an accelerator computes."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from icl.models.images import as_maxima, as_product
from icl.models.layers import Layers


@pytest.mark.parametrize(
    ("side", "c_in", "c_out", "size", "stride", "bias", "dtype"),
    [
        (28, 1, 8, 7, 2, False, jnp.float32),
        (7, 4, 6, 3, 2, True, jnp.bfloat16),
        (5, 3, 2, 1, 2, False, jnp.float32),
    ],
)
def test_a_convolution_as_a_product_and_its_gradients(side, c_in, c_out, size, stride, bias, dtype):
    layer = Layers(nnx.Rngs(0), dtype).conv(c_in, c_out, size, stride, bias)
    graph, params = nnx.split(layer)
    x = jax.random.normal(jax.random.key(1), (3, side, side, c_in))

    @partial(jax.jit, static_argnums=2)
    def loss(params, x, form):
        out = form(nnx.merge(graph, params), x)
        return jnp.sum(jnp.sin(out).astype(jnp.float32)), out

    tolerance = (
        {"rtol": 2e-4, "atol": 2e-5} if dtype == jnp.float32 else {"rtol": 0.05, "atol": 0.2}
    )
    one, other = (
        jax.tree.leaves(jax.grad(loss, (0, 1), has_aux=True)(params, x, form))
        for form in (lambda layer, x: layer(x), as_product)
    )
    for expected, got in zip(one, other, strict=True):
        assert got.dtype == expected.dtype
        np.testing.assert_allclose(np.float32(got), np.float32(expected), **tolerance)


@pytest.mark.parametrize("side", [7])
def test_pooling_as_maxima_and_its_gradient_where_many_are_equal(side):
    x = jnp.round(jax.random.normal(jax.random.key(0), (2, side, side, 3)))

    def pooled(x):
        return nnx.max_pool(x, (3, 3), (2, 2), "SAME")

    np.testing.assert_array_equal(as_maxima(x, 3, 2), pooled(x))
    own, expected = (
        jax.grad(lambda x, form=form: jnp.sum(jnp.sin(1 + form(x))))(x)
        for form in (lambda x: as_maxima(x, 3, 2), pooled)
    )
    np.testing.assert_allclose(own, expected, rtol=1e-6)
