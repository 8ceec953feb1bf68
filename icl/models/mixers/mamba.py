"""Mamba: state spaces whose steps depend on the token (Gu and Dao 2023)."""

import math
from functools import partial
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Key

from icl.config.models import MambaConfig
from icl.models.convolution import ShortConvolution
from icl.models.layers import Make, project
from icl.types import Aux

DT_MIN, DT_MAX = 1e-3, 1e-1  # of the initial step sizes, as in the paper
WIDTH_PER_DT_RANK = 16


class Mixer(nnx.Module):
    """h_t = exp(dt_t A) h_{t-1} + dt_t B_t x_t, y_t = C_t . h_t + D x_t, times silu(z_t).

    Each channel has a state of its own; A is diagonal and negative.
    """

    FUSED: ClassVar = {"input": ("z", "x"), "select": ("B", "C")}

    def __init__(self, config: MambaConfig, make: Make):
        width, channels = config.width, config.expand * config.width
        rank = math.ceil(width / WIDTH_PER_DT_RANK)
        self.input = make.linear(width, 2 * channels, bias=False)
        self.conv = ShortConvolution(channels, config.conv_size, make)
        self.select = make.linear(channels, 2 * config.state_dim, bias=False)
        self.dt_in = make.linear(channels, rank, bias=False)
        self.dt_out = make.linear(rank, channels, bias=False)
        self.dt_bias = make.param(_initial_dt_bias, channels)
        self.A_log = make.param(_initial_A_log, channels, config.state_dim)
        self.D = make.param(nnx.initializers.ones, channels)
        self.out = make.linear(channels, width, bias=False)

    def __call__(
        self, x: Float[Array, "batch token width"], query_only: bool
    ) -> tuple[Float[Array, "batch out width"], Aux]:
        z, x = project(self.input, x, 2, query_only)
        x = jax.nn.silu(self.conv(x))
        B, C = jnp.split(self.select(x).astype(jnp.float32), 2, axis=-1)
        raw_dt = self.dt_out(self.dt_in(x)).astype(jnp.float32)
        dt = jax.nn.softplus(raw_dt + self.dt_bias[...])
        A = -jnp.exp(self.A_log[...]).T
        y = _read_states(A, dt, B, C, x, query_only) + self.D[...] * x[:, -z.shape[1] :]
        return self.out(y * jax.nn.silu(z.astype(jnp.float32))), {}


def _read_states(
    A: Float[Array, "state channel"],
    dt: Float[Array, "batch token channel"],
    B: Float[Array, "batch token state"],
    C: Float[Array, "batch token state"],
    x: Float[Array, "batch token channel"],
    query_only: bool,
) -> Float[Array, "batch out channel"]:
    """C_t . h_t of all tokens, or of the last alone.

    Token by token: on a CPU, more than ten times as fast as an associative scan. States are
    [batch, state, channel]. They are all that is kept for the backward pass: decays are made anew.
    """

    def read(h: Array, C: Array) -> Array:
        return jnp.sum(h * C[..., None], axis=1)

    @partial(jax.checkpoint, prevent_cse=False)  # a scan already prevents it
    def step(h: Array, token: tuple[Array, ...]) -> tuple[Array, Array | None]:
        dt, written, B, C = token
        h = jnp.exp(dt[:, None] * A) * h + written[:, None] * B[..., None]
        return h, None if query_only else read(h, C)

    zero = jnp.zeros((x.shape[0], *A.shape))
    tokens = tuple(part.swapaxes(0, 1) for part in (dt, dt * x, B, C))
    h, y = jax.lax.scan(step, zero, tokens)
    return read(h, C[:, -1])[:, None] if y is None else y.swapaxes(0, 1)


def _initial_dt_bias(key: Key[Array, ""], shape: tuple[int, ...], dtype: type) -> Array:
    """Whose softplus is log-uniform."""
    low, high = math.log(DT_MIN), math.log(DT_MAX)
    dt = jnp.exp(jax.random.uniform(key, shape, dtype, low, high))
    return dt + jnp.log(-jnp.expm1(-dt))


def _initial_A_log(key: Key[Array, ""], shape: tuple[int, ...], dtype: type) -> Array:
    """A is -1, -2, ... in each channel (S4D-real, Gu et al. 2022)."""
    return jnp.broadcast_to(np.log(np.arange(1, shape[1] + 1)).astype(dtype), shape)
