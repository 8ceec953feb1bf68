"""Attention with a gradient of its own is the attention that is differentiated for us."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from icl.models.attention import attend, attend_in_training

SCALE = 0.3


@pytest.mark.parametrize(("num_out", "dtype"), [(7, jnp.float32), (1, jnp.bfloat16)])
def test_what_is_read_and_all_gradients(num_out, dtype):
    keys = jax.random.split(jax.random.key(0), 4)
    q, k, v, weights = (
        jax.random.normal(key, (2, num, 3, 4), dtype)
        for key, num in zip(keys, (num_out, 7, 7, num_out), strict=True)
    )

    @partial(jax.jit, static_argnums=3)
    def loss(q, k, v, form):
        read, pattern = form(q, k, v)
        loss = jnp.sum((read * weights).astype(jnp.float32)) + jnp.sum(pattern**2)
        return loss, (read, pattern)

    forms = (
        lambda q, k, v: attend(q, k, v, SCALE),
        lambda q, k, v: attend_in_training(q, k, v, SCALE),
    )
    tolerance = (
        {"rtol": 1e-4, "atol": 1e-5} if dtype == jnp.float32 else {"rtol": 0.1, "atol": 0.05}
    )
    one, other = (
        jax.tree.leaves(jax.grad(loss, (0, 1, 2), has_aux=True)(q, k, v, form)) for form in forms
    )
    for a, b in zip(one, other, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(np.float32(b), np.float32(a), **tolerance)
