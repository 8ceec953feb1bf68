"""Mamba: state spaces whose step sizes depend on the token (Gu and Dao 2023)."""

import math
from functools import partial
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Key

from icl.config.networks import MambaConfig
from icl.models.convolution import ShortConvolution
from icl.models.layers import Layers, project
from icl.models.sites import Sites

DT_MIN, DT_MAX = 1e-3, 1e-1  # range of the initial step sizes, as in the paper
WIDTH_PER_DT_RANK = 16


class Mixer(nnx.Module):
    """h_t = exp(dt_t A) h_{t-1} + dt_t B_t x_t, y_t = C_t . h_t + D x_t, times silu(z_t).

    Each channel has its own state; A is diagonal and negative.

    Sites: `value`, x_t; `dt`, `B` and `C`; `read`, C_t . h_t + D x_t; `gate`, silu(z_t).
    """

    FUSED: ClassVar = {"input": ("z", "x"), "select": ("B", "C")}

    def __init__(self, config: MambaConfig, layers: Layers):
        width, channels = config.width, config.expand * config.width
        rank = math.ceil(width / WIDTH_PER_DT_RANK)
        self.input = layers.linear(width, 2 * channels, bias=False)
        self.conv = ShortConvolution(channels, config.conv_size, layers)
        self.select = layers.linear(channels, 2 * config.state_dim, bias=False)
        self.dt_in = layers.linear(channels, rank, bias=False)
        self.dt_out = layers.linear(rank, channels, bias=False)
        self.dt_bias = layers.param(_initial_dt_bias, channels)
        self.A_log = layers.param(_initial_A_log, channels, config.state_dim)
        self.D = layers.param(nnx.initializers.ones, channels)
        self.out = layers.linear(channels, width, bias=False)

    def __call__(
        self, x: Float[Array, "batch token width"], query_only: bool, sites: Sites
    ) -> Float[Array, "batch out width"]:
        z, x = project(self.input, x, 2, query_only)
        x = sites.site("value", jax.nn.silu(self.conv(x)))
        B, C = jnp.split(self.select(x).astype(jnp.float32), 2, axis=-1)
        B, C = sites.site("B", B), sites.site("C", C)
        raw_dt = self.dt_out(self.dt_in(x)).astype(jnp.float32)
        dt = sites.site("dt", jax.nn.softplus(raw_dt + self.dt_bias[...]))
        A = -jnp.exp(self.A_log[...]).T
        y = _read_states(A, dt, B, C, x, query_only) + self.D[...] * x[:, -z.shape[1] :]
        y = sites.site("read", y)
        return self.out(y * sites.site("gate", jax.nn.silu(z.astype(jnp.float32))))


def _read_states(
    A: Float[Array, "state channel"],
    dt: Float[Array, "batch token channel"],
    B: Float[Array, "batch token state"],
    C: Float[Array, "batch token state"],
    x: Float[Array, "batch token channel"],
    query_only: bool,
) -> Float[Array, "batch out channel"]:
    """C_t . h_t of all tokens, or of the last alone; states are [batch, state, channel].

    A CPU goes token by token, which is several times as fast there as a parallel scan.
    """
    forms = {"cpu": token_by_token, "default": in_parallel}
    return jax.lax.platform_dependent(
        A, dt, B, C, x, **{name: partial(f, query_only=query_only) for name, f in forms.items()}
    )


def token_by_token(
    A: Array, dt: Array, B: Array, C: Array, x: Array, query_only: bool
) -> Float[Array, "batch out channel"]:
    """Scan over tokens. Only states are kept for the backward pass; decays are computed again."""

    @partial(jax.checkpoint, prevent_cse=False)  # a scan already prevents it
    def step(h: Array, token: tuple[Array, ...]) -> tuple[Array, Array | None]:
        dt, written, B, C = token
        h = jnp.exp(dt[:, None] * A) * h + written[:, None] * B[..., None]
        return h, None if query_only else _read(h, C)

    zero = jnp.zeros((x.shape[0], *A.shape))
    tokens = tuple(part.swapaxes(0, 1) for part in (dt, dt * x, B, C))
    h, y = jax.lax.scan(step, zero, tokens)
    return _read(h, C[:, -1])[:, None] if y is None else y.swapaxes(0, 1)


def in_parallel(
    A: Array, dt: Array, B: Array, C: Array, x: Array, query_only: bool
) -> Float[Array, "batch out channel"]:
    """Associative scan: its number of rounds is logarithmic in the length."""

    def then(first: tuple[Array, Array], second: tuple[Array, Array]) -> tuple[Array, Array]:
        """Two steps h -> a h + b as one."""
        return first[0] * second[0], first[1] * second[0] + second[1]

    a = jnp.exp(dt[:, :, None] * A)
    b = (dt * x)[:, :, None] * B[..., None]
    _, h = jax.lax.associative_scan(then, (a, b), axis=1)
    if query_only:
        h, C = h[:, -1:], C[:, -1:]
    return jax.vmap(_read, 1, 1)(h, C)


def _read(
    h: Float[Array, "batch state channel"], C: Float[Array, "batch state"]
) -> Float[Array, "batch channel"]:
    return jnp.sum(h * C[..., None], axis=1)


def _initial_dt_bias(key: Key[Array, ""], shape: tuple[int, ...], dtype: type) -> Array:
    """Biases whose softplus is log-uniform between `DT_MIN` and `DT_MAX`."""
    low, high = math.log(DT_MIN), math.log(DT_MAX)
    dt = jnp.exp(jax.random.uniform(key, shape, dtype, low, high))
    return dt + jnp.log(-jnp.expm1(-dt))


def _initial_A_log(key: Key[Array, ""], shape: tuple[int, ...], dtype: type) -> Array:
    """Logarithms of -A, which is -1, -2, ... in each channel (S4D-real, Gu et al. 2022)."""
    return jnp.broadcast_to(np.log(np.arange(1, shape[1] + 1)).astype(dtype), shape)
