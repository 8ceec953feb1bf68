"""Mixers without attention once more: plain NumPy, float64, a token at a time, a state carried.

It shares no code with `icl`: a mixer's parameters and settings are all that it is given.
"""

import math
from typing import Any

import numpy as np

Params = dict[str, Any]


def sigmoid(x: np.ndarray) -> np.ndarray:
    return np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))


def silu(x: np.ndarray) -> np.ndarray:
    return x * sigmoid(x)


def linear(x: np.ndarray, params: Params) -> np.ndarray:
    return x @ params["kernel"] + params.get("bias", 0)


def over_rms(x: np.ndarray, params: Params) -> np.ndarray:
    return x / np.sqrt((x**2).mean() + 1e-5) * params["scale"]


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.sqrt((x**2).sum() + 1e-6)


def heads(x: np.ndarray, num_heads: int) -> list[np.ndarray]:
    size = len(x) // num_heads
    return [x[i * size : (i + 1) * size] for i in range(num_heads)]


def queries_keys_values(
    token: np.ndarray, params: Params, num_heads: int
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Queries, keys and values of each head."""
    q, k, v = np.split(linear(token, params["qkv"]), 3)
    return list(zip(*(heads(part, num_heads) for part in (q, k, v)), strict=True))


def empty_memories(x: np.ndarray, num_heads: int) -> list[np.ndarray]:
    size = x.shape[1] // num_heads
    return [np.zeros((size, size)) for _ in range(num_heads)]


def linear_attention(x: np.ndarray, params: Params, config: Any) -> np.ndarray:
    """Output for one sequence [token, width], as in all functions here."""
    memories = empty_memories(x, config.num_heads)
    totals = [np.zeros(len(memory)) for memory in memories]
    outputs = []
    for token in x:
        mixed = []
        for i, (q, k, v) in enumerate(queries_keys_values(token, params, config.num_heads)):
            q, k = (np.where(a > 0, a + 1, np.exp(np.minimum(a, 0))) for a in (q, k))
            memories[i] = memories[i] + np.outer(v, k)
            totals[i] = totals[i] + k
            mixed.append(memories[i] @ q / (totals[i] @ q + 1e-6))
        outputs.append(linear(np.concatenate(mixed), params["out"]))
    return np.array(outputs)


def delta_net(x: np.ndarray, params: Params, config: Any) -> np.ndarray:
    memories = empty_memories(x, config.num_heads)
    outputs = []
    for token in x:
        betas = sigmoid(linear(token, params["beta"]))
        mixed = []
        for i, (q, k, v) in enumerate(queries_keys_values(token, params, config.num_heads)):
            q, k = unit(q), unit(k)
            error = v - memories[i] @ k
            memories[i] = memories[i] + betas[i] * np.outer(error, k)
            mixed.append(over_rms(memories[i] @ q, params["head_norm"]))
        outputs.append(linear(np.concatenate(mixed), params["out"]))
    return np.array(outputs)


def retention(x: np.ndarray, params: Params, config: Any) -> np.ndarray:
    num_heads = config.num_heads
    # The paper's for eight heads, 1 - 2 ** -5 to 1 - 2 ** -12; more have others between these.
    exponents = [5.0 + i * min(1, 7 / max(num_heads - 1, 1)) for i in range(num_heads)]
    memories = empty_memories(x, num_heads)
    outputs = []
    for token in x:
        mixed = []
        for i, (q, k, v) in enumerate(queries_keys_values(token, params, num_heads)):
            memories[i] = (1 - 2 ** -exponents[i]) * memories[i] + np.outer(v, k)
            retained = memories[i] @ q / math.sqrt(len(k))
            mixed.append(over_rms(retained, params["head_norm"]))
        gate = silu(linear(token, params["gate"]))
        outputs.append(linear(gate * np.concatenate(mixed), params["out"]))
    return np.array(outputs)


def short_convolution(x: np.ndarray, params: Params) -> np.ndarray:
    size = len(params["kernel"])
    out = np.tile(params["bias"], (len(x), 1))
    for t in range(len(x)):
        for ago in range(min(size, t + 1)):
            out[t] += params["kernel"][size - 1 - ago] * x[t - ago]
    return out


def mamba(x: np.ndarray, params: Params, config: Any) -> np.ndarray:
    channels = config.expand * config.width
    z, into = np.split(linear(x, params["input"]), 2, axis=1)
    into = silu(short_convolution(into, params["conv"]))
    A = -np.exp(params["A_log"])
    h, outputs = np.zeros((channels, config.state_dim)), []
    for gate, u in zip(z, into, strict=True):
        B, C = np.split(linear(u, params["select"]), 2)
        raw = linear(linear(u, params["dt_in"]), params["dt_out"]) + params["dt_bias"]
        dt = np.log1p(np.exp(-np.abs(raw))) + np.maximum(raw, 0)
        h = np.exp(dt[:, None] * A) * h + np.outer(dt * u, B)
        y = h @ C + params["D"] * u
        outputs.append(linear(y * silu(gate), params["out"]))
    return np.array(outputs)


def filters(num_lags: int, params: Params, width: int) -> np.ndarray:
    """[lag, width]"""
    out = []
    for lag in range(num_lags):
        waves = [2 * math.pi * lag / (3 * (1024 / 3) ** (i / 7)) for i in range(8)]
        seen = np.array([math.sin(a) for a in waves] + [math.cos(a) for a in waves])
        hidden = np.sin(linear(np.sin(linear(seen, params["input"])), params["hidden"]))
        out.append(linear(hidden, params["out"]))
        for channel in range(width):
            hundredth = 10 * (1024 / 10) ** (channel / (width - 1))  # lag at which 1 % is left
            kept = 0.01 ** (1 / hundredth)
            out[-1][channel] *= kept**lag * math.sqrt(1 - kept**2)
    return np.array(out)


def hyena(x: np.ndarray, params: Params, config: Any) -> np.ndarray:
    def projected(name: str) -> np.ndarray:
        return short_convolution(linear(x, params[name]["linear"]), params[name]["conv"])

    y = projected("value")
    for i in range(config.order):
        kernel = filters(len(x), params[f"filter{i}"], config.width)
        sums = np.zeros_like(y)
        for t in range(len(x)):
            for s in range(t + 1):
                sums[t] += kernel[t - s] * y[s]
        y = projected(f"gate{i}") * sums
    return linear(y, params["out"])


MIXERS = {
    "linear_attention": linear_attention,
    "delta_net": delta_net,
    "retention": retention,
    "mamba": mamba,
    "hyena": hyena,
}
